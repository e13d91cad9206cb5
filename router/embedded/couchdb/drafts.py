"""Documents sent by clients, checked as CouchDB checks them (`couch_doc:transfer_fields/3`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from router.embedded.couchdb.errors import ApiError, bad_request
from router.embedded.couchdb.revisions import Revision, parse_revision

MAX_SIZE = 8_000_000
"""Bytes of a document without CouchDB's own fields: its default `max_document_size`."""

MAX_DEPTH = 250
"""Nested objects and lists: orjson writes 254 levels, and a `_bulk_docs` request takes two of them."""

_IGNORED = frozenset({"_revs_info", "_local_seq", "_conflicts", "_deleted_conflicts"})
_KEPT = frozenset(
    {
        "_access",
        "_replication_state",
        "_replication_state_time",
        "_replication_state_reason",
        "_replication_id",
        "_replication_stats",
    }
)
_RESERVED = frozenset({"_id", "_rev", "_deleted", "_revisions", "_attachments"})


@dataclass(slots=True)
class Draft:
    """A document to write.

    `revision` is the parent in an ordinary edit, the revision itself in a replicated one; `ancestors` are the
    digests before it, newest first. `id` is empty when the client gave none.
    """

    id: str
    revision: Revision | None
    ancestors: list[str]
    deleted: bool
    body: dict[str, Any]


def read_draft(document: object) -> Draft:
    """Check a document's members; raises a 400 `ApiError`."""
    if not isinstance(document, dict):
        raise bad_request("Document must be a JSON object")
    identity = document.get("_id", "")
    if "_id" in document:
        check_id(identity)
    deleted = document.get("_deleted", False)
    if not isinstance(deleted, bool):
        raise _invalid_member("_deleted")
    if _is_deeper(document, MAX_DEPTH):
        raise bad_request(f"the embedded database takes {MAX_DEPTH} objects and lists inside of one another at most")
    revision, ancestors = _revision_of(document)
    return Draft(identity, revision, ancestors, deleted, _body_of(document))


def check_sizes(sent: bytes, drafts: Iterable[Draft]) -> None:
    """Raise the 413 where a document is too large, which fails the whole request; `sent` is the request's body."""
    if len(sent) <= MAX_SIZE:
        return
    for draft in drafts:
        if len(orjson.dumps(draft.body)) > MAX_SIZE:
            raise ApiError(413, "document_too_large", draft.id)


def check_id(identity: object) -> None:
    """Raise a 400 `ApiError` for an invalid document id."""
    if not isinstance(identity, str):
        raise _illegal_id("Document id must be a string")
    if not identity:
        raise _illegal_id("Document id must not be empty")
    if not identity.startswith("_"):
        return
    if identity in {"_design/", "_local/"}:
        raise _illegal_id(f"Illegal document id `{identity}`")
    if not identity.startswith(("_design/", "_local/")):
        raise _illegal_id("Only reserved document ids may start with underscore.")


def _is_deeper(document: dict[str, Any], max_depth: int) -> bool:
    """Return whether the nesting is deeper; without recursion, whose own limit may be lower."""
    level: list[Any] = [document]
    for _ in range(max_depth):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _body_of(document: dict[str, Any]) -> dict[str, Any]:
    if not any(name.startswith("_") for name in document):
        return document
    if document.get("_attachments"):
        # The attachments would be lost.
        raise bad_request("the embedded database keeps no attachments: leave _attachments out, or use a CouchDB")
    body = {}
    for name, value in document.items():
        if not name.startswith("_") or name in _KEPT:
            body[name] = value
        elif name not in _RESERVED and name not in _IGNORED:
            raise _invalid_member(name)
    return body


def _revision_of(document: dict[str, Any]) -> tuple[Revision | None, list[str]]:
    history = document.get("_revisions")
    if history is None:
        return (parse_revision(document["_rev"]), []) if "_rev" in document else (None, [])
    start = history.get("start") if isinstance(history, dict) else None
    digests = history.get("ids") if isinstance(history, dict) else None
    if not isinstance(start, int):
        raise ApiError(400, "doc_validation", "_revisions.start isn't an integer.")
    if not isinstance(digests, list):
        raise ApiError(400, "doc_validation", "_revisions.ids isn't a array.")
    if not digests:
        return None, []
    if not all(isinstance(digest, str) for digest in digests):
        raise ApiError(400, "doc_validation", "RevId isn't a string")
    return Revision(start, digests[0]), digests[1:]


def _invalid_member(name: str) -> ApiError:
    return ApiError(400, "doc_validation", f"Bad special document member: {name}")


def _illegal_id(reason: str) -> ApiError:
    return ApiError(400, "illegal_docid", reason)
