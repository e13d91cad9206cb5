"""Numbers that one writer wrote himself: their documents are known, and a feed tells which of them still stand.

Reading a document that one has just written costs CouchDB as much as writing it did. Its feed of changes, without
documents, costs a seventh, and says the same: the revision that stands now. Where it is the one that was written, the
document is known; every other number is read.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor

from router.account_copies.layout import NumberSnapshot, snapshot_of_document
from router.account_copies.reading import Marks, NumberReader, by_shard
from router.couch.errors import CouchError, NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument

_PAGE_SIZE = 10_000
_FEED_READERS = 4


class FeedVerifiedReader(NumberReader):
    """Reads numbers of which most were written by whoever reads. Threads share it, a question at a time.

    Args:
        written: number → its document as it was written.
        since: database → a sequence of its feed from before any of them was written; moved on as the feeds are read.
    """

    def __init__(
        self, databases: CouchServer, written: Mapping[str, NumberDocument], since: MutableMapping[str, str]
    ) -> None:
        super().__init__(databases)
        self._written = written
        self._since = since
        self._revisions: dict[str, dict[str, str]] = {}
        self._seen: dict[str, object] = {}
        self._marks: dict[str, object] = {}
        self._lock = threading.RLock()

    def marks(self, numbers: Iterable[str]) -> Marks:
        """As of any numbers; what stands is told as of these marks, or later."""
        found = super().marks(numbers)
        with self._lock:
            self._marks |= found
        return found

    def snapshots(self, numbers: Iterable[str], failed: dict[str, str]) -> dict[str, NumberSnapshot]:
        """What stands for each number, as of the last marks or later."""
        found: dict[str, NumberSnapshot] = {}
        unknown_snapshot: list[str] = []
        by_name = by_shard(numbers)
        for (_, names), stand in zip(by_name.items(), self._current_revisions_of(by_name), strict=True):
            for number in names:
                document = self._written.get(number)
                if document is not None and stand.get(number) == document.revision:
                    found[number] = snapshot_of_document(document)
                else:
                    unknown_snapshot.append(number)
        return found | super().snapshots(unknown_snapshot, failed)

    def changed(self, numbers: Collection[str], snapshots: Mapping[str, NumberSnapshot], before: Marks) -> set[str]:
        """As of any numbers; those that are known are not read again."""
        self.marks(numbers)
        doubtful: set[str] = set()
        changed: set[str] = set()
        by_name = by_shard(numbers)
        for (_, names), stand in zip(by_name.items(), self._current_revisions_of(by_name), strict=True):
            doubtful.update(number for number in names if number not in stand)
            changed.update(number for number in names if stand.get(number, "") != snapshots[number].revision)
        return (changed - doubtful) | super().changed(doubtful, snapshots, before)

    def _current_revisions_of(self, databases: Collection[str]) -> list[Mapping[str, str]]:
        """The same of several databases; their feeds are read some at a time."""
        with self._lock, ThreadPoolExecutor(_FEED_READERS) as pool:
            return list(pool.map(self._current_revisions, databases))

    def _current_revisions(self, database: str) -> Mapping[str, str]:
        """The revisions that stand of numbers that were written, as of the last marks or later."""
        mark, seen = self._marks.get(database), self._seen.get(database)
        if mark is None or mark == seen:
            return {} if mark is None else self._revisions[database]
        if not _is_same_database(mark, seen):
            self._revisions[database] = {}
        try:
            self._read_feed(database)
            self._seen[database] = mark
        except (CouchError, KeyError):
            self._seen.pop(database, None)
            return {}  # who reads them will say what is wrong
        return self._revisions[database]

    def _read_feed(self, database: str) -> None:
        known = self._revisions[database]
        for page in self._databases.database(database).revisions_since(self._since[database], _PAGE_SIZE):
            known.update((number, page.revisions[number]) for number in page.revisions.keys() & self._written.keys())
            self._since[database] = page.last_seq


def feed_position(databases: CouchServer, database: str) -> str:
    """After which the database's feed tells what is written from now on."""
    try:
        return databases.database(database).current_sequence()
    except NotFoundError:
        return "0"


def _is_same_database(mark: object, seen: object) -> bool:
    """Whether a database is still the one that its feed was read of, and nothing was purged, which no feed tells."""
    if not (isinstance(mark, DatabaseInfo) and isinstance(seen, DatabaseInfo)):
        return False
    return (mark.instance, mark.purges) == (seen.instance, seen.purges)
