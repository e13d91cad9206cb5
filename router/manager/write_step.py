"""Writing a batch: one `_bulk_docs` a database, conditional on each document's `_rev`."""

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
"""CouchDB tells of new databases only where this one exists; a single node does not make it by itself."""
_MAX_ATTEMPTS = 3
_CONFLICT = "conflict"
_UNDER_REPLICATED = (
    "too few CouchDB nodes took the change: it is lost if those that did don't come back, and in conflict if "
    "the others were given another one; look at the number once all nodes are up"
)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one document.

    Attributes:
        revision: its new one; empty when it was not written.
        conflict: somebody else wrote first.
        problem: why it was not written, or may not have been.
        warning: what may yet become of it though it was written; empty for nothing.
    """

    revision: str = ""
    conflict: bool = False
    problem: NumberError | None = None
    warning: str = ""


class DocumentWriter:
    """Writes number documents; makes a number's database when it is first needed. Threads share it."""

    def __init__(self, databases: CouchServer) -> None:
        self._databases = databases
        self._lock = threading.Lock()
        self._global_changes_exists = False

    def write(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, WriteResult]:
        """Write documents of one database; never raises.

        Returns:
            By `_id`: what became of it.
        """
        identifiers = [str(document["_id"]) for document in documents]
        try:
            rows = self._put_batch(database, documents)
        except DocumentTooLargeError as problem:
            return self._write_halves(database, documents, problem)
        except CouchError as problem:
            message = f"{problem}; whether it was written is not known: look, and ask again"
            return dict.fromkeys(identifiers, WriteResult(problem=errors.unavailable(message)))
        results = {str(row.get("id")): _result_of(row) for row in rows if isinstance(row, Mapping)}
        unanswered = WriteResult(
            problem=errors.unavailable("CouchDB did not say whether it was written: look, and ask again")
        )
        return {identifier: results.get(identifier, unanswered) for identifier in identifiers}

    def _write_halves(
        self, database: str, documents: Sequence[Mapping[str, Any]], problem: DocumentTooLargeError
    ) -> dict[str, WriteResult]:
        """Nothing of them was written, because of one: half by half it is found, and the others are written."""
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
        raise NotFoundError(f"the database {database} is dropped again and again")

    def _remove_conflicts(self, database: str, identifiers: Sequence[str]) -> None:
        """Before documents go: what stands in conflict behind one would come up, and route to whoever it names."""
        conflicts = self._databases.database(database).losing_leaves(identifiers) if identifiers else []
        if conflicts:
            log.warning("%d documents in conflict go with those that are deleted in %s", len(conflicts), database)
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
            log.info("made the database %s", database)
        except ConflictError:
            return  # somebody else was faster

    def _ensure_global_changes(self) -> None:
        """Before a database is made: what happens while `_global_changes` is missing is never told."""
        with self._lock:
            if self._global_changes_exists:
                return
            try:
                self._databases.database(GLOBAL_CHANGES).create()
                log.warning("made the database %s: CouchDB tells of new databases from now on", GLOBAL_CHANGES)
            except ConflictError:
                pass  # as it should be
            except CouchRefused as problem:
                log.warning("no right to make %s; followers find new databases late: %s", GLOBAL_CHANGES, problem)
            self._global_changes_exists = True


def _result_of(row: Mapping[str, Any]) -> WriteResult:
    if row.get("error") == _CONFLICT:
        return WriteResult(conflict=True)
    if row.get("error") == "unconfirmed":
        message = f"{row.get('reason')}: the change may be lost, or in conflict; show the number before you ask again"
        return WriteResult(problem=errors.unconfirmed(message))
    if "error" in row:
        message = f"CouchDB refused the document: {row.get('error')}: {row.get('reason')}"
        return WriteResult(problem=NumberError(500, "internal_error", "database_error", message))
    return WriteResult(str(row.get("rev", "")), warning=_UNDER_REPLICATED if row.get("accepted") is True else "")
