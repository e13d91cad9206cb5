"""Numbers as their own databases have them now."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from router.account_copies.layout import NumberSnapshot, snapshot_of, unknown_snapshot
from router.couch.errors import BadResponseError, CouchError, NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.numbers.shards import is_shard, shard_for

_BATCH_SIZE = 1000

Marks = Mapping[str, object]
"""What tells, by database, whether anything at all changed in it."""


class NumberReader:
    """Reads number documents for whoever compares or writes copies."""

    def __init__(self, databases: CouchServer) -> None:
        self._databases = databases

    def snapshots(self, numbers: Iterable[str], failed: dict[str, str]) -> dict[str, NumberSnapshot]:
        """What stands for each number now; those that can't be asked about are left out.

        Args:
            failed: where to note those, number → why.
        """
        found: dict[str, NumberSnapshot] = {}
        for database, names in by_shard(numbers).items():
            try:
                for start in range(0, len(names), _BATCH_SIZE):
                    found |= self._read(database, names[start : start + _BATCH_SIZE])
            except CouchError as problem:
                failed |= dict.fromkeys(names, f"{database} can't be read: {problem}")
        return found

    def marks(self, numbers: Iterable[str]) -> Marks:
        """What tells whether any of the databases of these numbers changed.

        Raises:
            CouchError: they can't be asked.
        """
        names = list(by_shard(numbers))
        infos: dict[str, object] = {}
        for start in range(0, len(names), INFO_BATCH_SIZE):
            infos |= self._databases.infos(names[start : start + INFO_BATCH_SIZE])
        return infos

    def changed(self, numbers: Collection[str], snapshots: Mapping[str, NumberSnapshot], before: Marks) -> set[str]:
        """Which of these numbers are not as they were read any more.

        Args:
            standings: as they were read.
            before: marks taken before they were read.

        Raises:
            CouchError: they can't be asked.
        """
        now = self.marks(numbers)
        suspects = [number for number in numbers if _moved(number, before, now)]
        failed: dict[str, str] = {}
        current = self.snapshots(suspects, failed)
        if failed:
            raise CouchError(next(iter(failed.values())))
        return {number for number in suspects if current[number].revision != snapshots[number].revision}

    def _read(self, database: str, numbers: list[str]) -> dict[str, NumberSnapshot]:
        try:
            found = self._databases.database(database).get_current(numbers)
        except NotFoundError:
            return {number: unknown_snapshot(number) for number in numbers}
        if not found.keys() >= set(numbers):
            raise BadResponseError("it did not say of every number whether there is a document")
        return {number: snapshot_of(number, found[number]) for number in numbers}


def by_shard(numbers: Iterable[str]) -> dict[str, list[str]]:
    """Numbers by their database; what belongs in none stands nowhere."""
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for number in numbers:
        database = shard_for(number)
        if database is not None and is_shard(database):
            grouped[database].append(number)
    return grouped


def _moved(number: str, before: Marks, now: Marks) -> bool:
    """Whether a number may have changed: where a database has several copies, one that is behind proves nothing."""
    database = shard_for(number) or ""
    was, current = before.get(database), now.get(database)
    return not isinstance(was, DatabaseInfo) or was.copies_kept > 1 or was != current
