"""What can go wrong with CouchDB.

CouchError
├── CouchUnavailable   no answer, in time, that says anything: try again later
│   ├── ConnectFailed  the node can't be reached; nothing was sent
│   └── ResponseLost   the node fell silent, or the connection was cut; a write may have been done
├── CouchRefused       the user may not do this
│   └── WrongPasswordError  trying again would lock the account
├── NotFoundError           no such database or document
├── ConflictError           somebody else wrote first: read again and decide again
├── DocumentTooLargeError           the document is larger than the server takes
└── BadResponseError          an answer that CouchDB does not give: is this a CouchDB?
"""


class CouchError(Exception):
    """Anything that went wrong with CouchDB."""


class CouchUnavailable(CouchError):
    """No useful answer in time; the next try may get one."""


class ConnectFailed(CouchUnavailable):
    """A node can't be reached; nothing was sent."""


class ResponseLost(CouchUnavailable):
    """A node fell silent, or the connection was cut; what was asked may have been done."""


class CouchRefused(CouchError):
    """The user may not do this: the follower needs a server admin's rights."""


class WrongPasswordError(CouchRefused):
    """CouchDB does not know this name and password, or has locked the account already.

    Five wrong tries lock the account for this address for five minutes, so nobody tries again by himself.
    """


class NotFoundError(CouchError):
    """No such database or document.

    Attributes:
        reason: CouchDB's own: "missing", "deleted" or "Database does not exist."
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConflictError(CouchError):
    """The document was changed by somebody else first."""


class DocumentTooLargeError(CouchError):
    """A document beyond `max_document_size` (8,000,000 bytes unless configured)."""


class BadResponseError(CouchError):
    """An answer that makes no sense."""
