"""A full number document in the account's own database, under the number, for each number assigned to it.

Attachments are not copied: their bytes stay in the number database.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from router.account_copies.copy_format import CopyTooLargeError, CopyWriteResult, Deviation, changeable, deviation
from router.account_copies.layout import NumberSnapshot, copied_fields, owning_accounts
from router.couch.client import Document
from router.couch.errors import BadResponseError, DocumentTooLargeError
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument

_PAGE_SIZE = 1000


class PerNumber:
    """The copy format with one document a number."""

    name = "per_number"

    def __init__(self, couch: CouchServer) -> None:
        self._couch = couch

    def open(self, account: str, database: str, numbers: Sequence[str]) -> "OpenDocuments":
        """Read the copies of these numbers."""
        held = self._couch.database(database).get_current(numbers)
        if not held.keys() >= set(numbers):
            raise BadResponseError(f"{database} did not say of every number whether it has a copy")
        return OpenDocuments(self._couch, account, database, numbers, held)

    def open_unread(self, account: str, database: str, numbers: Sequence[str]) -> "OpenDocuments":
        """Read the copies: a write could not detect one that has to be removed."""
        return self.open(account, database, numbers)

    def held(self, database: str) -> Iterable[tuple[str, object]]:
        """Yield every number of which the account has a copy."""
        for page in self._couch.database(database).all_documents(_PAGE_SIZE, prefix="+"):
            yield from ((str(each["_id"]), copied_fields(each)) for each in page if _is_copy(each))

    def wanted(self, document: NumberDocument) -> Iterable[tuple[str, object]]:
        """Yield the account that should have a copy."""
        counts = copied_fields(document.fields)
        return ((account, counts) for account in owning_accounts(document))


class OpenDocuments:
    """One account's copies of some numbers as they were read."""

    def __init__(
        self,
        couch: CouchServer,
        account: str,
        database: str,
        numbers: Sequence[str],
        held: Mapping[str, Document | None],
    ) -> None:
        self._couch = couch
        self._database = database
        self._held = held
        self.account = account
        self.numbers = numbers

    def deviations(self, snapshots: Mapping[str, NumberSnapshot]) -> list[Deviation]:
        """Return the wrong copies."""
        found = (self._deviation(snapshots[number]) for number in self.numbers if number in snapshots)
        return [each for each in found if each is not None]

    def write(self, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]) -> CopyWriteResult:
        """Write and delete copies in one request; each on the revision that was read."""
        drafts = {
            each.number: self._draft(snapshots[each.number]) for each in changeable(self.deviations(snapshots), keep)
        }
        if not drafts:
            return CopyWriteResult()
        try:
            rows = self._couch.database(self._database).put_many(list(drafts.values()))
        except DocumentTooLargeError as problem:
            raise CopyTooLargeError(f"account {self.account}: {problem}") from None
        written = CopyWriteResult()
        for row in rows:
            self._note(written, row)
        for number in drafts.keys() - written.done - written.conflicts - written.refused.keys():
            written.refused[number] = f"{self._database} did not say what became of the copy"
        return written

    def _note(self, written: CopyWriteResult, row: Mapping[str, Any]) -> None:
        number = str(row.get("id"))
        if row.get("error") == "conflict":
            written.conflicts.add(number)
        elif "error" in row:
            written.refused[number] = f"{self._database} refuses the copy: {row.get('reason', row['error'])}"
        else:
            written.done.add(number)

    def _deviation(self, snapshot: NumberSnapshot) -> Deviation | None:
        held = self._held[snapshot.number]
        if held is not None and not _is_copy(held):
            return None  # another document has that name
        wanted = self._wanted(snapshot)
        return deviation(snapshot, None if held is None else copied_fields(held), wanted)

    def _wanted(self, snapshot: NumberSnapshot) -> dict[str, Any] | None:
        document = snapshot.document
        return copied_fields(document.fields) if document and self.account in owning_accounts(document) else None

    def _draft(self, snapshot: NumberSnapshot) -> dict[str, Any]:
        held = self._held[snapshot.number]
        revision = {} if held is None else {"_rev": held["_rev"]}
        wanted = self._wanted(snapshot)
        return {"_id": snapshot.number, **revision, **({"_deleted": True} if wanted is None else wanted)}


def _is_copy(document: Document) -> bool:
    return document.get("pvt_type") in (None, "number")
