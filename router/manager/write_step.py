"""The write step: one `_bulk_docs` request per database, conditional on each document's `_rev`."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.couch.errors import ConflictError, CouchError, CouchRefused, DocumentTooLargeError, NotFoundError
from router.couch.server import CouchServer
from router.lifecycle import errors
from router.lifecycle.errors import NumberError

log = logging.getLogger(__name__)

GLOBAL_CHANGES = "_global_changes"
"""The database without which CouchDB doesn't announce new databases; a single node does not create it by itself."""
_MAX_ATTEMPTS = 3
_CONFLICT = "conflict"
_UNDER_REPLICATED = (
    "too few CouchDB nodes stored the change: it is lost if they don't come back, and in conflict if the other "
    "nodes stored a different one; look at the number once all nodes are up"
)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of writing one document.

    Attributes:
        revision: the new one; empty: it was not written.
        conflict: another writer was first.
        withdrawn: some copies took the write all the same, and it was withdrawn; one that is behind may still have it.
        problem: why it was not written, or may not have been.
        warning: what may still happen to the written document; empty: nothing.
    """

    revision: str = ""
    conflict: bool = False
    withdrawn: bool = False
    problem: NumberError | None = None
    warning: str = ""


class DocumentWriter:
    """Writes number documents, and creates a number's database when it is first needed. Thread-safe."""

    def __init__(self, databases: CouchServer) -> None:
        self._databases = databases
        self._lock = threading.Lock()
        self._global_changes_exists = False

    def write(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, WriteResult]:
        """Write documents of one database; never raises.

        Returns:
            `_id` → result.
        """
        identifiers = [str(document["_id"]) for document in documents]
        try:
            rows = self._put_batch(database, documents)
        except DocumentTooLargeError as problem:
            return self._write_halves(database, documents, problem)
        except CouchError as problem:
            message = f"{problem}; the document may have been written: look at the number, and ask again"
            return dict.fromkeys(identifiers, WriteResult(problem=errors.unavailable(message)))
        results = {str(row.get("id")): _result_of(row) for row in rows if isinstance(row, Mapping)}
        unanswered = WriteResult(
            problem=errors.unavailable(
                "CouchDB did not report whether it was written: look at the number, and ask again"
            )
        )
        return {identifier: results.get(identifier, unanswered) for identifier in identifiers}

    def _write_halves(
        self, database: str, documents: Sequence[Mapping[str, Any]], problem: DocumentTooLargeError
    ) -> dict[str, WriteResult]:
        """Split a batch that CouchDB refused as too large, until the oversized document is found."""
        if len(documents) == 1:
            refused = WriteResult(
                problem=NumberError(400, "invalid", "document_too_large", f"{problem}: remove fields")
            )
            return {str(documents[0]["_id"]): refused}
        middle = len(documents) // 2
        return self.write(database, documents[:middle]) | self.write(database, documents[middle:])

    def _put_batch(self, database: str, documents: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        for _ in range(_MAX_ATTEMPTS):
            try:
                self._remove_conflicts(database, [str(each["_id"]) for each in documents if each.get("_deleted")])
                return self._databases.database(database).put_many(documents)
            except NotFoundError:
                self._create_database(database)
        raise NotFoundError(f"the database {database} is dropped repeatedly")

    def _remove_conflicts(self, database: str, identifiers: Sequence[str]) -> None:
        """Delete the losing leaves of documents that are about to be deleted.

        Otherwise CouchDB would promote a losing leaf, and calls would route to the account that it names.
        """
        conflicts = self._databases.database(database).losing_leaves(identifiers) if identifiers else []
        if conflicts:
            log.warning(
                "conflicting leaves deleted with their documents: count=%d database=%s", len(conflicts), database
            )
            deletions = [{"_id": each["_id"], "_rev": each["_rev"], "_deleted": True} for each in conflicts]
            refused = [
                row
                for row in self._databases.database(database).put_many(deletions)
                if row.get("error") not in (None, _CONFLICT)
            ]
            if refused:
                raise CouchRefused(f"a document in conflict can't be deleted: {refused[0].get('reason')}")

    def _create_database(self, database: str) -> None:
        self._ensure_global_changes()
        try:
            self._databases.database(database).create()
            log.info("database created: database=%s", database)
        except ConflictError:
            return  # a concurrent writer created it

    def _ensure_global_changes(self) -> None:
        """Create `_global_changes` before a database: CouchDB never announces what happens without it."""
        with self._lock:
            if self._global_changes_exists:
                return
            try:
                self._databases.database(GLOBAL_CHANGES).create()
                log.warning("database created, CouchDB announces new databases from now on: %s", GLOBAL_CHANGES)
            except ConflictError:
                pass  # it exists already
            except CouchRefused as problem:
                log.warning("%s not created, followers find new databases late: error=%s", GLOBAL_CHANGES, problem)
            self._global_changes_exists = True


def _result_of(row: Mapping[str, Any]) -> WriteResult:
    if row.get("error") == _CONFLICT:
        return WriteResult(conflict=True, withdrawn=row.get("withdrawn") is True)
    if row.get("error") == "unconfirmed":
        message = f"{row.get('reason')}: the change may be lost, or in conflict; show the number before you ask again"
        return WriteResult(problem=errors.unconfirmed(message))
    if "error" in row:
        message = f"CouchDB refused the document: {row.get('error')}: {row.get('reason')}"
        return WriteResult(problem=NumberError(500, "internal_error", "database_error", message))
    return WriteResult(str(row.get("rev", "")), warning=_UNDER_REPLICATED if row.get("accepted") is True else "")
