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
_TRIES = 3
_CONFLICT = "conflict"
_FEW_COPIES = (
    "too few CouchDB nodes took the change: it is lost if those that did don't come back, and in conflict if "
    "the others were given another one; look at the number once all nodes are up"
)


@dataclass(frozen=True, slots=True)
class Written:
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
        self._followable = False

    def write(self, database: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, Written]:
        """Write documents of one database; never raises.

        Returns:
            By `_id`: what became of it.
        """
        identifiers = [str(document["_id"]) for document in documents]
        try:
            rows = self._put(database, documents)
        except DocumentTooLargeError as problem:
            return self._write_apart(database, documents, problem)
        except CouchError as problem:
            words = f"{problem}; whether it was written is not known: look, and ask again"
            return dict.fromkeys(identifiers, Written(problem=errors.unavailable(words)))
        told = {str(row.get("id")): _written(row) for row in rows if isinstance(row, Mapping)}
        silent = Written(problem=errors.unavailable("CouchDB did not say whether it was written: look, and ask again"))
        return {identifier: told.get(identifier, silent) for identifier in identifiers}

    def _write_apart(
        self, database: str, documents: Sequence[Mapping[str, Any]], problem: DocumentTooLargeError
    ) -> dict[str, Written]:
        """Nothing of them was written, because of one: half by half it is found, and the others are written."""
        if len(documents) == 1:
            refused = Written(problem=NumberError(400, "invalid", "document_too_large", f"{problem}: remove fields"))
            return {str(documents[0]["_id"]): refused}
        middle = len(documents) // 2
        return self.write(database, documents[:middle]) | self.write(database, documents[middle:])

    def _put(self, database: str, documents: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        for _ in range(_TRIES):
            try:
                self._remove_beside(database, [str(each["_id"]) for each in documents if each.get("_deleted")])
                return self._databases.database(database).put_many(documents)
            except NotFoundError:
                self._make(database)
        raise NotFoundError(f"the database {database} is dropped again and again")

    def _remove_beside(self, database: str, identifiers: Sequence[str]) -> None:
        """Before documents go: what stands in conflict behind one would come up, and route to whoever it names."""
        beside = self._databases.database(database).losing_leaves(identifiers) if identifiers else []
        if beside:
            log.warning("%d documents in conflict go with those that are deleted in %s", len(beside), database)
            gone = [{"_id": each["_id"], "_rev": each["_rev"], "_deleted": True} for each in beside]
            refused = [
                row
                for row in self._databases.database(database).put_many(gone)
                if row.get("error") not in (None, _CONFLICT)
            ]
            if refused:
                raise CouchRefused(f"a document in conflict can't be deleted: {refused[0].get('reason')}")

    def _make(self, database: str) -> None:
        self._see_to_global_changes()
        try:
            self._databases.database(database).create()
            log.info("made the database %s", database)
        except ConflictError:
            return  # somebody else was faster

    def _see_to_global_changes(self) -> None:
        """Before a database is made: what happens while `_global_changes` is missing is never told."""
        with self._lock:
            if self._followable:
                return
            try:
                self._databases.database(GLOBAL_CHANGES).create()
                log.warning("made the database %s: CouchDB tells of new databases from now on", GLOBAL_CHANGES)
            except ConflictError:
                pass  # as it should be
            except CouchRefused as problem:
                log.warning("no right to make %s; followers find new databases late: %s", GLOBAL_CHANGES, problem)
            self._followable = True


def _written(row: Mapping[str, Any]) -> Written:
    if row.get("error") == _CONFLICT:
        return Written(conflict=True)
    if row.get("error") == "unconfirmed":
        words = f"{row.get('reason')}: the change may be lost, or in conflict; show the number before you ask again"
        return Written(problem=errors.unconfirmed(words))
    if "error" in row:
        words = f"CouchDB refused the document: {row.get('error')}: {row.get('reason')}"
        return Written(problem=NumberError(500, "internal_error", "database_error", words))
    return Written(str(row.get("rev", "")), warning=_FEW_COPIES if row.get("accepted") is True else "")
