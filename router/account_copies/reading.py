"""Reads number documents from their own databases."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from router.account_copies.layout import NumberSnapshot, snapshot_of, unknown_snapshot
from router.couch.errors import BadResponseError, CouchError, NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.numbers.shards import is_shard, shard_for
from router.runtime.chunked import chunked

_BATCH_SIZE = 1000
"""Documents read in one request."""

Marks = Mapping[str, object]
"""State of each database, by name: an equal one means that nothing in it changed."""


class NumberReads(NamedTuple):
    """Snapshots of the numbers that could be read, and the reason for each of the others."""

    snapshots: dict[str, NumberSnapshot]
    failures: dict[str, str]


class NumberReader:
    """Reads number documents for comparing and writing copies."""

    def __init__(self, couch: CouchServer) -> None:
        self._couch = couch

    def snapshots(self, numbers: Iterable[str]) -> NumberReads:
        """Read the current document of each number."""
        reads = NumberReads({}, {})
        for database, names in by_shard(numbers).items():
            try:
                for batch in chunked(names, _BATCH_SIZE):
                    reads.snapshots.update(self._read(database, batch))
            except CouchError as problem:
                reads.failures.update(dict.fromkeys(names, f"{database} can't be read: {problem}"))
        return reads

    def marks(self, numbers: Iterable[str]) -> Marks:
        """Return the states of these numbers' databases.

        Raises:
            CouchError: they can't be asked.
        """
        infos: dict[str, object] = {}
        for names in chunked(list(by_shard(numbers)), INFO_BATCH_SIZE):
            infos |= self._couch.infos(names)
        return infos

    def changed(self, numbers: Collection[str], snapshots: Mapping[str, NumberSnapshot], before: Marks) -> set[str]:
        """Return the numbers that have changed since they were read.

        Args:
            snapshots: the numbers as they were read.
            before: marks from before they were read.

        Raises:
            CouchError: they can't be asked.
        """
        now = self.marks(numbers)
        candidates = [number for number in numbers if _may_have_changed(number, before, now)]
        current, failures = self.snapshots(candidates)
        if failures:
            raise CouchError(next(iter(failures.values())))
        return {number for number in candidates if current[number].revision != snapshots[number].revision}

    def _read(self, database: str, numbers: list[str]) -> dict[str, NumberSnapshot]:
        try:
            found = self._couch.database(database).get_current(numbers)
        except NotFoundError:
            return {number: unknown_snapshot(number) for number in numbers}
        if not found.keys() >= set(numbers):
            raise BadResponseError("it did not say of every number whether there is a document")
        return {number: snapshot_of(number, found[number]) for number in numbers}


def by_shard(numbers: Iterable[str]) -> dict[str, list[str]]:
    """Group numbers by their database; a number that belongs in no database is left out."""
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for number in numbers:
        database = shard_for(number)
        if database is not None and is_shard(database):
            grouped[database].append(number)
    return grouped


def _may_have_changed(number: str, before: Marks, now: Marks) -> bool:
    """Return whether a number may have changed. A database with several copies proves nothing: one may be behind."""
    database = shard_for(number) or ""
    was, current = before.get(database), now.get(database)
    return not isinstance(was, DatabaseInfo) or was.copies_kept > 1 or was != current
