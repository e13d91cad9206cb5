"""Number documents that one writer wrote itself: known already, and verified by the feed of changes.

Reading a document just written costs CouchDB as much as writing it did. The feed of changes without documents costs a
seventh, and gives the current revision. Where that is the revision that was written, the document is known; every other
number is read.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor

from router.account_copies.layout import NumberSnapshot, snapshot_of_document
from router.account_copies.reading import Marks, NumberReader, NumberReads, by_shard
from router.couch.errors import CouchError, NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument

_PAGE_SIZE = 10_000
"""Rows of a feed in one request."""
_FEED_READERS = 4
"""Feeds that are read concurrently."""


class FeedVerifiedReader(NumberReader):
    """Reads numbers of which most were written by the reader's owner. Threads share it; calls take turns.

    Args:
        written: number → its document as it was written.
        since: database → a sequence of its feed from before the first write; advanced as the feeds are read.
    """

    def __init__(
        self, couch: CouchServer, written: Mapping[str, NumberDocument], since: MutableMapping[str, str]
    ) -> None:
        super().__init__(couch)
        self._written = written
        self._since = since
        self._revisions: dict[str, dict[str, str]] = {}
        self._seen: dict[str, object] = {}
        self._marks: dict[str, object] = {}
        self._lock = threading.RLock()

    def marks(self, numbers: Iterable[str]) -> Marks:
        """Return the states of these numbers' databases; later snapshots are of these states, or newer."""
        found = super().marks(numbers)
        with self._lock:
            self._marks |= found
        return found

    def snapshots(self, numbers: Iterable[str]) -> NumberReads:
        """Return the current document of each number, as of the last marks or newer."""
        found: dict[str, NumberSnapshot] = {}
        unverified: list[str] = []
        shards = by_shard(numbers)
        for names, current in zip(shards.values(), self._current_revisions_of(shards), strict=True):
            for number in names:
                document = self._written.get(number)
                if document is not None and current.get(number) == document.revision:
                    found[number] = snapshot_of_document(document)
                else:
                    unverified.append(number)
        reads = super().snapshots(unverified)
        return NumberReads(found | reads.snapshots, reads.failures)

    def changed(self, numbers: Collection[str], snapshots: Mapping[str, NumberSnapshot], before: Marks) -> set[str]:
        """Return the numbers that have changed since they were read; those in the feeds are not read again."""
        self.marks(numbers)
        unverified: set[str] = set()
        changed: set[str] = set()
        shards = by_shard(numbers)
        for names, current in zip(shards.values(), self._current_revisions_of(shards), strict=True):
            unverified.update(number for number in names if number not in current)
            changed.update(number for number in names if current.get(number, "") != snapshots[number].revision)
        return (changed - unverified) | super().changed(unverified, snapshots, before)

    def _current_revisions_of(self, databases: Collection[str]) -> list[Mapping[str, str]]:
        """Return the current revisions in each database; several feeds are read concurrently."""
        with self._lock, ThreadPoolExecutor(_FEED_READERS) as pool:
            return list(pool.map(self._current_revisions, databases))

    def _current_revisions(self, database: str) -> Mapping[str, str]:
        """Return the current revisions of written numbers in a database, as of the last marks or newer."""
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
            return {}  # the read of the documents will report the error
        return self._revisions[database]

    def _read_feed(self, database: str) -> None:
        known = self._revisions[database]
        for page in self._couch.database(database).revisions_since(self._since[database], _PAGE_SIZE):
            known.update((number, page.revisions[number]) for number in page.revisions.keys() & self._written.keys())
            self._since[database] = page.last_seq


def feed_position(couch: CouchServer, database: str) -> str:
    """Return the sequence after which the database's feed reports everything from now on; "0" without the database."""
    try:
        return couch.database(database).current_sequence()
    except NotFoundError:
        return "0"


def _is_same_database(mark: object, seen: object) -> bool:
    """Return whether a feed that was read is of this instance, and nothing was purged since, which no feed reports."""
    if not (isinstance(mark, DatabaseInfo) and isinstance(seen, DatabaseInfo)):
        return False
    return (mark.instance, mark.purges) == (seen.instance, seen.purges)
