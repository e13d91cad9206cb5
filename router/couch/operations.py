"""Names of CouchDB's operations, for counting requests."""

from collections.abc import Sequence

_BY_ENDPOINT = {
    "_all_dbs": "info",
    "_all_docs": "list",
    "_bulk_docs": "write",
    "_bulk_get": "documents",
    "_changes": "changes",
    "_dbs_info": "info",
    "_membership": "info",
    "_shards": "info",
}


def operation_of(method: str, path: Sequence[str]) -> str:
    """Return a request's operation: `document`, `documents`, `list`, `changes`, `write`, `info` or `other`."""
    for segment in path[:2]:
        if segment in _BY_ENDPOINT:
            return _BY_ENDPOINT[segment]
    if len(path) < 2 or not path[1]:  # noqa: PLR2004 - a database and a document
        return "info" if method in {"GET", "HEAD"} else "other"
    if path[1].startswith("_") and not path[1].startswith("_design"):
        return "other"
    return "document" if method in {"GET", "HEAD"} else "write"
