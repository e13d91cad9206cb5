"""Errors of CouchDB.

CouchError
├── CouchUnavailable   no usable response in time: try again later
│   ├── ConnectFailed  the node can't be reached; nothing was sent
│   └── ResponseLost   the node fell silent, or the connection was cut; a write may have taken effect
├── CouchRefused       the user may not do this
│   └── WrongPasswordError  trying again would lock the account
├── NotFoundError           no such database or document
├── ConflictError           another writer was first: read again and decide again
├── DocumentTooLargeError           the document is larger than the server takes
└── BadResponseError          an answer that CouchDB does not give: is this a CouchDB?
"""


class CouchError(Exception):
    """Base of all errors of CouchDB."""


class CouchUnavailable(CouchError):
    """No usable response in time; the next try may get one."""


class ConnectFailed(CouchUnavailable):
    """A node can't be reached; nothing was sent."""


class ResponseLost(CouchUnavailable):
    """A node fell silent, or the connection was cut; the request may have taken effect."""


class CouchRefused(CouchError):
    """The user may not do this: the follower needs a server admin's rights."""


class WrongPasswordError(CouchRefused):
    """CouchDB does not know this name and password, or has locked the account already.

    Five wrong tries lock the account for this address for five minutes, so no request is repeated automatically.
    """


class NotFoundError(CouchError):
    """No such database or document.

    Attributes:
        reason: CouchDB's own text: "missing", "deleted" or "Database does not exist."
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConflictError(CouchError):
    """Another writer changed the document first."""


class DocumentTooLargeError(CouchError):
    """A document beyond `max_document_size` (8,000,000 bytes unless configured)."""


class BadResponseError(CouchError):
    """A response that CouchDB does not give."""
