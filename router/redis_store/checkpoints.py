"""The checkpoint of each database: how far the cache has followed it, under which epoch, and who may write."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from router.numbers.shards import is_shard
from router.redis_store import scripts
from router.redis_store.commands import RedisClient, Value
from router.redis_store.keys import Keys
from router.redis_store.replies import now, text, unless_wrong_type
from router.redis_store.wrong_type import HASH, SET, retry_replacing_wrong_type
from router.runtime.request_durations import RequestDurations

_OLDER = "older:"
"""Prefix of the fields that hold changes which looked older than the cached entry."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The cache's position in one database.

    Attributes:
        epoch: random; a new value means that the database was rebuilt in the cache.
        instance_start_time, purge_seq: of the database when the epoch began.
        fingerprint: of the routing policy and the entry format; a new value means that every entry is rebuilt.
        seq: the feed's sequence applied last; empty before the first batch.
        copies: the position of each copy of the database at which everything in it was in the cache.
        complete: everything up to seq is in the cache.
        updated_at: when seq was written, Unix seconds.
        pending: changes known to be missing at that time.
        older: versions of changes that looked older than the cached entry, by number or document id; the winner
            in the database is not known yet.
        stuck_seq: the sequence after which changes could not be read, so that a listing stood in for them; they are
            still to be read. Empty for none.
    """

    epoch: str = ""
    instance_start_time: str = ""
    purge_seq: int = 0
    fingerprint: str = ""
    seq: str = ""
    copies: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    updated_at: float = 0.0
    pending: int = 0
    older: Mapping[str, bytes] = field(default_factory=dict)
    stuck_seq: str = ""

    def matches(self, instance_start_time: str, purge_seq: int) -> bool:
        """Return whether it was written for this instance of the database, and nothing was purged since.

        A copy that lags knows of fewer purges: that is the same instance.
        """
        return self.instance_start_time == instance_start_time and purge_seq <= self.purge_seq

    def is_current(self, copies: Mapping[str, str]) -> bool:
        """Return whether the copies that answered have not moved since everything in them was in the cache."""
        return self.complete and bool(copies) and copies.items() <= self.copies.items()

    def lacks_only(self, copies: Mapping[str, str]) -> bool:
        """Return whether some of these copies were never recorded, and none of the recorded ones has moved."""
        recorded = {copy: position for copy, position in copies.items() if copy in self.copies}
        return len(recorded) < len(copies) and recorded.items() <= self.copies.items()


class CheckpointStore:
    """Reads and moves checkpoints, in one Redis hash a database.

    Every method raises redis.RedisError when Redis can't be reached or refuses to write.
    """

    def __init__(self, redis: RedisClient, keys: Keys, durations: RequestDurations) -> None:
        self._durations = durations
        self._redis = redis
        self._keys = keys

    def get(self, database: str) -> Checkpoint:
        """Return the checkpoint of one database; an empty one where there is none or it can't be read."""
        key = self._keys.database(database)
        return self._decode(retry_replacing_wrong_type(self._redis, {key: HASH}, lambda: self._redis.hgetall(key)))

    def get_many(self, databases: Sequence[str]) -> list[Checkpoint]:
        """Return the checkpoints of many databases in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hgetall(self._keys.database(database))
        replies = map(unless_wrong_type, pipeline.execute(raise_on_error=False))
        return [
            self.get(database) if stored is None else self._decode(stored)
            for database, stored in zip(databases, replies, strict=True)
        ]

    def fence(self, database: str) -> int:
        """Return the highest fencing token that wrote to a database."""
        stored = text(self._redis.hget(self._keys.database(database), "fence"))
        return int(stored) if stored.isdecimal() else 0

    def epoch(self, database: str) -> str:
        """Return the database's epoch: to be read before the database, and passed to `EntryStore.fill`."""
        key = self._keys.database(database)
        return text(self._durations.time("epoch", lambda: self._redis.hget(key, "epoch")))

    def epochs(self, databases: Sequence[str]) -> list[str]:
        """Return the epochs of many databases in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hget(self._keys.database(database), "epoch")
        return [text(unless_wrong_type(epoch)) for epoch in pipeline.execute(raise_on_error=False)]

    def begin_epoch(
        self, database: str, token: int, *, instance_start_time: str, purge_seq: int, fingerprint: str
    ) -> Checkpoint | None:
        """Begin a new epoch without a checkpoint; return None when fenced off."""
        epoch = secrets.token_hex(8)
        self.register([database])
        key = self._keys.database(database)
        arguments = (token, epoch, instance_start_time, purge_seq, fingerprint, now())
        reply = retry_replacing_wrong_type(
            self._redis, {key: HASH}, lambda: scripts.begin_epoch(self._redis, [key], *arguments)
        )
        return Checkpoint(epoch, instance_start_time, purge_seq, fingerprint) if reply == b"ok" else None

    def mark_complete(self, database: str, copies: Mapping[str, str]) -> None:
        """Record that everything in the database is in the cache, and the position of each copy at that time."""
        key = self._keys.database(database)
        fields: dict[str, Value] = {"complete": "1", "copies": orjson.dumps(dict(copies)), "pending": "0"}
        retry_replacing_wrong_type(self._redis, {key: HASH}, lambda: self._redis.hset(key, mapping=fields))

    def resolve_older(self, database: str, resolved: Mapping[str, bytes]) -> None:
        """Remove changes that looked older, by number or document id, unless another one was recorded since."""
        key = self._keys.database(database)
        for name, version in resolved.items():
            field_name = _OLDER + (self._keys.number(name) if is_shard(database) else name)
            scripts.remove_if_token(self._redis, [key], field_name, version)

    def record_stuck(self, database: str, seq: str) -> None:
        """Record the sequence after which changes are still to be read."""
        self._redis.hset(self._keys.database(database), mapping={"stuck": seq})

    def clear_stuck(self, database: str, seq: str) -> None:
        """Record that the changes after a sequence were read, unless another one was recorded since."""
        scripts.remove_if_token(self._redis, [self._keys.database(database)], "stuck", seq)

    def remove(self, database: str) -> None:
        """Remove a database's checkpoint."""
        self._redis.delete(self._keys.database(database))
        self._redis.srem(self._keys.databases, database)

    def invalidate(self, database: str) -> None:
        """Make the follower read a database from the start, at its next sweep."""
        self._redis.hdel(self._keys.database(database), "instance", "copies")

    def databases(self) -> set[str]:
        """Return every registered database (see `register`)."""
        key = self._keys.databases
        members = retry_replacing_wrong_type(self._redis, {key: SET}, lambda: self._redis.smembers(key))
        return {text(name) for name in members}

    def register(self, databases: Iterable[str]) -> None:
        """Register databases that have a checkpoint, so that one that vanishes is noticed."""
        key, names = self._keys.databases, list(databases)
        if names:
            retry_replacing_wrong_type(self._redis, {key: SET}, lambda: self._redis.sadd(key, *names))

    def _decode(self, stored: Mapping[bytes, bytes]) -> Checkpoint:
        if not stored:
            return Checkpoint()
        fields = {text(name): text(value) for name, value in stored.items()}
        try:
            return Checkpoint(
                # Strictly, since the scripts compare these two byte by byte: a lossy decoding would never be equal.
                stored.get(b"epoch", b"").decode(),
                fields.get("instance", ""),
                int(fields.get("purge", "").partition("-")[0] or 0),
                fields.get("shape", ""),
                stored.get(b"seq", b"").decode(),
                _decode_copies(stored.get(b"copies", b"{}")),
                fields.get("complete") == "1",
                float(fields.get("at") or 0),
                int(fields.get("pending") or 0),
                self._decode_older(stored),
                stored.get(b"stuck", b"").decode(),
            )
        except ValueError:
            return Checkpoint()  # corrupt: its other fields can't be trusted either

    def _decode_older(self, stored: Mapping[bytes, bytes]) -> dict[str, bytes]:
        """Return versions by number, or by document id where the database is no number database."""
        names = {text(each).removeprefix(_OLDER): each for each in stored if each.startswith(_OLDER.encode())}
        return {self._keys.number_of(name) or name: stored[each] for name, each in names.items()}


def _decode_copies(stored: bytes) -> dict[str, str]:
    found = orjson.loads(stored)
    if not isinstance(found, dict):
        raise ValueError("copies must be an object")  # noqa: TRY004 - as for every corrupt field
    return {str(copy): str(position) for copy, position in found.items()}
