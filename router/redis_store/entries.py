"""The entries of numbers: written only where newer, only under the lease, never over a rebuilt database."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.entries.codec import NEGATIVE, TOMBSTONE, Entry
from router.redis_store import scripts
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys
from router.redis_store.replies import ApplyResult, apply_outcome, now
from router.redis_store.wrong_type import HASH, SET, retry_replacing_wrong_type
from router.runtime.request_durations import RequestDurations

SCAN_COUNT = 2000
"""Keys of one SCAN step: a fraction of a millisecond of Redis' time."""

_GLOB_SIGNS = re.compile(r"[*?\[\]\\^]")
"""Characters of a prefix that SCAN would read as a pattern."""


@dataclass(frozen=True, slots=True)
class TTLs:
    """Seconds that entries are kept.

    Attributes:
        negative: no such number.
        tombstone: a deletion.
        fill: an entry that a lookup stored; the follower's entries have no TTL.
    """

    negative: float
    tombstone: float
    fill: float


class EntryStore:
    """Writes, removes and scans entries.

    Every method raises redis.RedisError when Redis can't be reached or refuses to write.
    """

    def __init__(self, redis: RedisClient, keys: Keys, ttls: TTLs, durations: RequestDurations) -> None:
        self._durations = durations
        self._redis = redis
        self._keys = keys
        self._ttls = ttls

    def apply(
        self,
        database: str,
        token: int,
        before: Checkpoint,
        seq: str,
        entries: Sequence[tuple[str, Entry]],
        *,
        pending: int = 0,
        tombstone_ttl: float | None = None,
    ) -> tuple[ApplyResult, list[int]]:
        """Apply changes of one database and move its checkpoint to `seq`, in one transaction.

        Returns:
            The outcome, and the indexes of entries older than the stored ones: these are not written, but recorded
            in the checkpoint as `older`.
        """
        keys = [self._keys.database(database), *(self._keys.number(number) for number, _ in entries)]
        values: list[str | bytes | int] = []
        for _, entry in entries:
            values += [entry.pack(), self._ttl(entry, tombstone_ttl)]
        arguments = (token, before.epoch, before.seq, seq, now(), pending, *values)
        reply = self._durations.time(
            "apply",
            lambda: retry_replacing_wrong_type(
                self._redis, {keys[0]: HASH}, lambda: scripts.apply(self._redis, keys, *arguments)
            ),
        )
        return apply_outcome(reply)

    def replace(self, database: str, token: int, epoch: str, number: str, expected: bytes, entry: Entry) -> bool:
        """Write an entry where exactly the expected version is stored, older or not; return whether it was written."""
        keys = [self._keys.database(database), self._keys.number(number)]
        return bool(scripts.replace(self._redis, keys, token, epoch, expected, entry.pack(), self._ttl(entry, None)))

    def fill(
        self, database: str, epoch: str, entries: Sequence[tuple[str, Entry]], *, only_missing: bool = False
    ) -> int:
        """Store entries read from a database whose epoch was `epoch` before the read began.

        Args:
            only_missing: keep every stored value except a negative one, where a follower knows the database. The winner
                of a conflict may be deleted after a lookup has read it. The follower has then written the lower
                revision, and does not write it again.

        Returns:
            The number of entries stored (newer ones are kept); -1 when the database was rebuilt in between.
        """
        numbers = [self._keys.number(number) for number, _ in entries]
        keys = [self._keys.database(database), self._keys.orphans(database), *numbers]
        values: list[str | bytes | int] = []
        for _, entry in entries:
            # Never without a TTL: were a newer entry evicted meanwhile, nothing would correct this one.
            values += [entry.pack(), self._ttl(entry, None) or int(self._ttls.fill * 1000)]
        types = {keys[0]: HASH, keys[1]: SET}
        reply = self._durations.time(
            "fill",
            lambda: retry_replacing_wrong_type(
                self._redis, types, lambda: scripts.fill(self._redis, keys, epoch, int(only_missing), *values)
            ),
        )
        return int(reply)

    def remove(self, number: str) -> None:
        """Remove one number's entry."""
        self._redis.delete(self._keys.number(number))

    def remove_databases(self, databases: Iterable[str]) -> int:
        """Remove every entry of these number databases (not their checkpoints); return how many there were."""
        removed = 0
        wanted = {self._keys.database(name).removesuffix(":db") for name in databases}
        for batch in self.scan():
            keys = [key for key, _ in batch if key[: key.index("}") + 1] in wanted]
            if keys:
                removed += self._unlink(keys)
        return removed

    def remove_orphans(self, database: str) -> None:
        """Remove the entries that lookups stored for a database before any follower knew it."""
        key = self._keys.orphans(database)
        members = retry_replacing_wrong_type(self._redis, {key: SET}, lambda: self._redis.smembers(key))
        self._unlink([*(member.decode() for member in members), key])

    def scan(self, database: str | None = None) -> Iterable[list[tuple[str, str]]]:
        """Yield the (key, number) of entries in batches, of one database or of all."""
        tag = "{+" if database is None else self._keys.database(database).removeprefix(self._keys.prefix)
        pattern = scan_pattern(self._keys.prefix + tag.removesuffix(":db"))
        batch: list[tuple[str, str]] = []
        for raw in self._redis.scan_iter(match=pattern, count=SCAN_COUNT):
            key = raw.decode("utf-8", "replace")
            number = self._keys.number_of(key)
            if number is not None:
                batch.append((key, number))
            if len(batch) >= SCAN_COUNT:
                yield batch
                batch = []
        if batch:
            yield batch

    def _unlink(self, keys: Sequence[str]) -> int:
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.unlink(key)
        return sum(int(removed) for removed in pipeline.execute())

    def _ttl(self, entry: Entry, tombstone_ttl: float | None) -> int:
        """Return milliseconds; 0 for no TTL."""
        if entry.kind == NEGATIVE:
            return int(self._ttls.negative * 1000)
        if entry.kind == TOMBSTONE:
            return int((tombstone_ttl or self._ttls.tombstone) * 1000)
        return 0


def scan_pattern(prefix: str) -> str:
    """Return the SCAN pattern of keys that begin with a prefix."""
    return _GLOB_SIGNS.sub(r"\\\g<0>", prefix) + "*"
