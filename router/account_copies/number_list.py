"""The `phone_numbers` document of an account: all of its numbers, a summary each.

Other fields stay unchanged: those that do not begin with `+`, and numbers that the copy was not opened for.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from router.account_copies.copy_format import CopyTooLargeError, CopyWriteResult, Deviation, changeable, deviation
from router.account_copies.layout import (
    Kind,
    NumberSnapshot,
    comparable,
    listing_accounts,
    merge_summary,
    summary,
)
from router.couch.client import Document
from router.couch.errors import ConflictError, DocumentTooLargeError, NotFoundError
from router.couch.server import CouchServer
from router.numbers import gregorian
from router.numbers.documents import NumberDocument
from router.numbers.shards import encoded

DOCUMENT = "phone_numbers"

NO_DATABASE = "Database does not exist."
"""CouchDB's reason where the database is missing, not the document."""


class NumberList:
    """The copy format with one document that lists all numbers."""

    name = DOCUMENT

    def __init__(self, couch: CouchServer) -> None:
        self._couch = couch

    def open(self, account: str, database: str, numbers: Sequence[str]) -> "OpenList":
        """Read the list; a write creates it where the account has none yet."""
        return OpenList(self._couch, account, database, numbers, self._read(database))

    def open_unread(self, account: str, database: str, numbers: Sequence[str]) -> "OpenList":
        """Guess that the account has none yet; a wrong guess makes the write a conflict."""
        return OpenList(self._couch, account, database, numbers, None, read=False)

    def held(self, database: str) -> Iterable[tuple[str, object]]:
        """Yield every listed number."""
        document = self._read(database) or {}
        return ((name, comparable(value)) for name, value in document.items() if name.startswith("+"))

    def wanted(self, document: NumberDocument) -> Iterable[tuple[str, object]]:
        """Yield the accounts that should list the number."""
        counts = comparable(summary(document))
        return ((account, counts) for account in listing_accounts(document))

    def _read(self, database: str) -> Document | None:
        try:
            return self._couch.database(database).get(DOCUMENT)
        except NotFoundError as missing:
            if missing.reason == NO_DATABASE:
                raise
            return None


class OpenList:
    """One account's list as it was read, or guessed to be absent."""

    def __init__(
        self,
        couch: CouchServer,
        account: str,
        database: str,
        numbers: Sequence[str],
        held: Document | None,
        *,
        read: bool = True,
    ) -> None:
        self._couch = couch
        self._database = database
        self._held: Document = held or {}
        self._read = read
        self._compared: tuple[Mapping[str, NumberSnapshot], list[Deviation]] | None = None
        self.account = account
        self.numbers = numbers

    def deviations(self, snapshots: Mapping[str, NumberSnapshot]) -> list[Deviation]:
        """Return the wrong entries."""
        if self._compared is None or self._compared[0] is not snapshots:
            found = (self._deviation(snapshots[number]) for number in self.numbers if number in snapshots)
            self._compared = snapshots, [each for each in found if each is not None]
        return self._compared[1]

    def write(self, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]) -> CopyWriteResult:
        """Write the list; only the entries of these numbers change."""
        wrong = changeable(self.deviations(snapshots), keep)
        if not wrong:
            return (
                CopyWriteResult() if self._read else CopyWriteResult(conflicts=set(self.numbers))
            )  # the list may hold entries to remove
        numbers = {each.number for each in wrong}
        document = self._changed(wrong, snapshots)
        try:
            self._couch.database(self._database).put(document)
        except ConflictError:
            return CopyWriteResult(conflicts=numbers if self._read else set(self.numbers))
        except DocumentTooLargeError:
            raise CopyTooLargeError(self._too_large(document)) from None
        return CopyWriteResult(done=numbers)

    def _deviation(self, snapshot: NumberSnapshot) -> Deviation | None:
        wanted = self._wanted(snapshot)
        held = self._held.get(snapshot.number)
        return deviation(snapshot, comparable(held), None if wanted is None else comparable(wanted))

    def _wanted(self, snapshot: NumberSnapshot) -> dict[str, Any] | None:
        document = snapshot.document
        return summary(document) if document and self.account in listing_accounts(document) else None

    def _changed(self, wrong: Iterable[Deviation], snapshots: Mapping[str, NumberSnapshot]) -> dict[str, Any]:
        now = gregorian.from_unix(int(time.time()))
        document = dict(self._held) or _blank(self.account, self._database, now)
        for each in wrong:
            wanted = self._wanted(snapshots[each.number])
            if each.kind is Kind.EXTRA or wanted is None:
                document.pop(each.number, None)
            else:
                document[each.number] = merge_summary(document.get(each.number), wanted)
        document["pvt_modified"] = now
        return document

    def _too_large(self, document: Mapping[str, Any]) -> str:
        count = sum(name.startswith("+") for name in document)
        return (
            f"account {self.account} would list {count:,} numbers in one document of {len(orjson.dumps(document)):,} "
            "bytes, more than CouchDB takes (max_document_size, 8,000,000 unless configured): set account_copies to "
            'per_number and run did-router audit --repair, or raise "max_document_size" in CouchDB'
        )


def _blank(account: str, database: str, now: int) -> dict[str, Any]:
    return {
        "_id": DOCUMENT,
        "pvt_type": DOCUMENT,
        "pvt_vsn": "1",
        "pvt_account_db": encoded(database),
        "pvt_account_id": account,
        "pvt_created": now,
        "pvt_modified": now,
    }
