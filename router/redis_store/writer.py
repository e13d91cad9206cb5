"""Writing the cache: only what is newer, only under the lease, never over a rebuilt database."""

import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from router.entries.codec import NEGATIVE, TOMBSTONE, Entry
from router.numbers.shards import is_shard
from router.redis_store import scripts
from router.redis_store.keys import EPOCH, Keys
from router.redis_store.wrong_type import HASH, SET, in_spite, is_foreign

PASS = 2000
"""Keys looked at in one step of a walk through Redis: a fraction of a millisecond of its time."""

_OLDER = "older:"
"""Before the names of fields that hold changes which looked older."""

_PATTERN_SIGNS = re.compile(r"[*?\[\]\\^]")
"""What a prefix may hold and a SCAN would take for a pattern."""


class Applied(Enum):
    """What became of a batch."""

    OK = "ok"
    FENCED = "fenced"
    """Another follower took over: stop."""
    MOVED = "moved"
    """The checkpoint is not where we left it (flushed, restored, rebuilt): read it and go on from there."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the cache knows of a database.

    Attributes:
        epoch: random; another value means that the database was rebuilt in the cache.
        instance, purges: of the database when its epoch began.
        shape: what answers were made with (routing policy, entry format); another value means: make them anew.
        seq: the feed's sequence applied last; empty before the first batch.
        copies: how far each copy of the database was when everything in it was in the cache.
        complete: everything up to seq is in the cache.
        at: when seq was written, Unix seconds.
        pending: changes known to be missing at that time.
        older: versions of changes that looked older than what is kept, by number or document; which of the two
            the database means is not known yet.
    """

    epoch: str = ""
    instance: str = ""
    purges: int = 0
    shape: str = ""
    seq: str = ""
    copies: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    at: float = 0.0
    pending: int = 0
    older: Mapping[str, bytes] = field(default_factory=dict)

    def is_of(self, instance: str, purges: int) -> bool:
        """Whether it was written in this life of the database, and nothing was purged since.

        A copy that is behind knows of fewer purges: that is no other life.
        """
        return self.instance == instance and purges <= self.purges

    def is_current(self, copies: Mapping[str, str]) -> bool:
        """Whether the copies that answered are where they were when everything in them was in the cache."""
        return self.complete and bool(copies) and copies.items() <= self.copies.items()


@dataclass(frozen=True, slots=True)
class Lives:
    """Seconds that entries are kept.

    Attributes:
        negative: no such number.
        tombstone: a deletion.
        fill: what a lookup read by itself; the follower's entries stay.
    """

    negative: float
    tombstone: float
    fill: float


class CacheWriter:
    """Everything that changes the cache.

    Every method raises redis.RedisError when Redis can't be asked or refuses to write.
    """

    def __init__(self, redis: Any, keys: Keys, lives: Lives) -> None:
        self.redis = redis
        self.keys = keys
        self._lives = lives

    def checkpoint(self, database: str) -> Checkpoint:
        """What is kept of one database."""
        key = self.keys.database(database)
        return self._checkpoint(in_spite(self.redis, {key: HASH}, lambda: self.redis.hgetall(key)))

    def checkpoints(self, databases: Sequence[str]) -> list[Checkpoint]:
        """What is kept of many, in one go."""
        pipeline = self.redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hgetall(self.keys.database(database))
        told = map(_unless_foreign, pipeline.execute(raise_on_error=False))
        return [
            self.checkpoint(database) if kept is None else self._checkpoint(kept)
            for database, kept in zip(databases, told, strict=True)
        ]

    def fence(self, database: str) -> int:
        """The highest fencing token that wrote to a database."""
        kept = _text(self.redis.hget(self.keys.database(database), "fence"))
        return int(kept) if kept.isdecimal() else 0

    def epoch(self, database: str) -> str:
        """The database's epoch; ask before reading the database, give it to `fill`."""
        return _text(self.redis.hget(self.keys.database(database), "epoch"))

    def epochs(self, databases: Sequence[str]) -> list[str]:
        """The epochs of many, in one go."""
        pipeline = self.redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hget(self.keys.database(database), "epoch")
        return [_text(_unless_foreign(epoch)) for epoch in pipeline.execute(raise_on_error=False)]

    def begin(self, database: str, token: int, *, instance: str, purges: int, shape: str) -> Checkpoint | None:
        """Begin a new epoch without a checkpoint; None when fenced off."""
        epoch = secrets.token_hex(8)
        self.know([database])
        key = self.keys.database(database)
        words = (token, epoch, instance, purges, shape, _now())
        said = in_spite(self.redis, {key: HASH}, lambda: scripts.begin(self.redis, [key], *words))
        return Checkpoint(epoch, instance, purges, shape) if said == b"ok" else None

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
    ) -> tuple[Applied, list[int]]:
        """Apply changes of one database and move its checkpoint to `seq`, in one transaction.

        Returns:
            What became of it, and the indexes of entries older than what is kept: not written, but noted in the
            checkpoint as `older`.
        """
        keys = [self.keys.database(database), *(self.keys.number(number) for number, _ in entries)]
        values: list[str | bytes | int] = []
        for _, entry in entries:
            values += [entry.pack(), self._life(entry, tombstone_ttl)]
        words = (token, before.epoch, before.seq, seq, _now(), pending, *values)
        said = in_spite(self.redis, {keys[0]: HASH}, lambda: scripts.apply(self.redis, keys, *words))
        return _outcome(said)

    def apply_documents(
        self,
        database: str,
        token: int,
        before: Checkpoint,
        seq: str,
        values: Sequence[tuple[str, bytes]],
        *,
        pending: int = 0,
    ) -> tuple[Applied, list[int]]:
        """The same for a followed database that is no number database; workers are told of each change."""
        fields: list[str | bytes | int] = [part for pair in values for part in pair]
        keys = [self.keys.database(database), self.keys.documents(database)]
        words = (token, before.epoch, before.seq, seq, _now(), pending, self.keys.changes, database, *fields)
        said = in_spite(self.redis, dict.fromkeys(keys, HASH), lambda: scripts.documents(self.redis, keys, *words))
        return _outcome(said)

    def replace(self, database: str, token: int, epoch: str, number: str, expected: bytes, entry: Entry) -> bool:
        """Put an entry where exactly the expected version stands, older or not."""
        keys = [self.keys.database(database), self.keys.number(number)]
        return bool(scripts.replace(self.redis, keys, token, epoch, expected, entry.pack(), self._life(entry, None)))

    def fill(self, database: str, epoch: str, entries: Sequence[tuple[str, Entry]]) -> int:
        """Keep what was read from a database whose epoch was `epoch` before the reading began.

        Returns:
            How many were kept (newer ones stand); -1 when the database was rebuilt in between.
        """
        numbers = [self.keys.number(number) for number, _ in entries]
        keys = [self.keys.database(database), self.keys.strays(database), *numbers]
        values: list[str | bytes | int] = []
        for _, entry in entries:
            # Never for good: were a newer entry evicted meanwhile, nothing would correct this one.
            values += [entry.pack(), self._life(entry, None) or int(self._lives.fill * 1000)]
        kinds = {keys[0]: HASH, keys[1]: SET}
        return int(in_spite(self.redis, kinds, lambda: scripts.fill(self.redis, keys, epoch, *values)))

    def resolve_older(self, database: str, resolved: Mapping[str, bytes]) -> None:
        """Forget changes that looked older, by number or document, unless another one was noted since."""
        key = self.keys.database(database)
        for name, version in resolved.items():
            scripts.settle(
                self.redis, [key], _OLDER + (self.keys.number(name) if is_shard(database) else name), version
            )

    def caught_up(self, database: str, copies: Mapping[str, str]) -> None:
        """Note that everything in the database is in the cache, and how far which copies of it were then."""
        key = self.keys.database(database)
        fields = {"complete": "1", "copies": orjson.dumps(dict(copies)), "pending": "0"}
        in_spite(self.redis, {key: HASH}, lambda: self.redis.hset(key, mapping=fields))

    def forget(self, databases: Iterable[str]) -> int:
        """Remove every entry of these number databases (not their checkpoints); returns how many."""
        gone = 0
        wanted = {self.keys.database(name).removesuffix(":db") for name in databases}
        for batch in self.walk():
            doomed = [key for key, _ in batch if key[: key.index("}") + 1] in wanted]
            if doomed:
                gone += self._unlink(doomed)
        return gone

    def forget_strays(self, database: str) -> None:
        """Remove what lookups kept of a database before any follower knew it."""
        strays = self.keys.strays(database)
        doomed = [key.decode() for key in in_spite(self.redis, {strays: SET}, lambda: self.redis.smembers(strays))]
        self._unlink([*doomed, strays])

    def forget_documents(self, database: str, epoch: str) -> None:
        """Remove the followed documents of a database; those that come now are of this epoch."""
        key = self.keys.documents(database)
        self.redis.delete(key)
        self.redis.hset(key, EPOCH, epoch)
        self.read_again(database)

    def holds_documents(self, databases: Sequence[str], epochs: Sequence[str]) -> list[bool]:
        """Whether Redis still holds the documents that were written in these epochs: it may have lost them alone."""
        pipeline = self.redis.pipeline(transaction=False)
        for database in databases:
            pipeline.hget(self.keys.documents(database), EPOCH)
        told = map(_unless_foreign, pipeline.execute(raise_on_error=False))
        return [kept is not None and _text(kept) == epoch for kept, epoch in zip(told, epochs, strict=True)]

    def documents(self, database: str, names: Sequence[str]) -> list[bytes | None]:
        """Return what stands for followed documents, by their ids; None where nothing does."""
        found: list[bytes | None] = self.redis.hmget(self.keys.documents(database), list(names))
        return found

    def document_names(self, database: str) -> list[str]:
        """Return the ids of the followed documents that Redis holds."""
        return [_text(name) for name in self.redis.hkeys(self.keys.documents(database)) if name != EPOCH.encode()]

    def mend_document(self, database: str, token: int, epoch: str, name: bytes, found: bytes, value: bytes) -> bool:
        """Put a followed document's value, empty for none, where one that is none of ours still stands."""
        keys = [self.keys.database(database), self.keys.documents(database)]
        return bool(scripts.mend(self.redis, keys, token, epoch, name, found, value))

    def read_again(self, database: str) -> None:
        """Tell the workers to read the followed documents of a database again, as a whole."""
        self.redis.publish(self.keys.changes, f"{database}\0\0")

    def drop(self, database: str) -> None:
        """Remove a database's checkpoint."""
        self.redis.delete(self.keys.database(database))
        self.redis.srem(self.keys.databases, database)

    def distrust(self, database: str) -> None:
        """Make the follower read a database from the start, at its next sweep."""
        self.redis.hdel(self.keys.database(database), "instance", "copies")

    def databases(self) -> set[str]:
        """Every database that has a checkpoint, as far as Redis kept that in mind (see `know`)."""
        key = self.keys.databases
        return {_text(name) for name in in_spite(self.redis, {key: SET}, lambda: self.redis.smembers(key))}

    def know(self, databases: Iterable[str]) -> None:
        """Keep in mind that these have checkpoints, so that they are missed when they vanish."""
        key, names = self.keys.databases, list(databases)
        if names:
            in_spite(self.redis, {key: SET}, lambda: self.redis.sadd(key, *names))

    def remove(self, number: str) -> None:
        """Remove one number's entry."""
        self.redis.delete(self.keys.number(number))

    def walk(self, database: str | None = None) -> Iterable[list[tuple[str, str]]]:
        """Yield the entries' (key, number) in batches, of one database or of all."""
        tag = "{+" if database is None else self.keys.database(database).removeprefix(self.keys.prefix)
        pattern = pattern_of(self.keys.prefix + tag.removesuffix(":db"))
        cursor_batch: list[tuple[str, str]] = []
        for raw in self.redis.scan_iter(match=pattern, count=PASS):
            key = raw.decode("utf-8", "replace")
            number = self.keys.number_of(key)
            if number is not None:
                cursor_batch.append((key, number))
            if len(cursor_batch) >= PASS:
                yield cursor_batch
                cursor_batch = []
        if cursor_batch:
            yield cursor_batch

    def _checkpoint(self, kept: Mapping[bytes, bytes]) -> Checkpoint:
        if not kept:
            return Checkpoint()
        fields = {_text(name): _text(value) for name, value in kept.items()}
        try:
            return Checkpoint(
                # Byte by byte, as the scripts compare these two: what reads otherwise than it stands would never agree.
                kept.get(b"epoch", b"").decode(),
                fields.get("instance", ""),
                int(fields.get("purge", "").partition("-")[0] or 0),
                fields.get("shape", ""),
                kept.get(b"seq", b"").decode(),
                _copies(kept.get(b"copies", b"{}")),
                fields.get("complete") == "1",
                float(fields.get("at") or 0),
                int(fields.get("pending") or 0),
                self._older(kept),
            )
        except ValueError:
            return Checkpoint()  # spoilt: what it says of the rest can't be known

    def _older(self, kept: Mapping[bytes, bytes]) -> dict[str, bytes]:
        """By number, or by document where the database is no number database."""
        names = {_text(each).removeprefix(_OLDER): each for each in kept if each.startswith(_OLDER.encode())}
        return {self.keys.number_of(name) or name: kept[each] for name, each in names.items()}

    def _unlink(self, keys: Sequence[str]) -> int:
        pipeline = self.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.unlink(key)
        return sum(int(removed) for removed in pipeline.execute())

    def _life(self, entry: Entry, tombstone_ttl: float | None) -> int:
        """Milliseconds; 0 for ever."""
        if entry.kind == NEGATIVE:
            return int(self._lives.negative * 1000)
        if entry.kind == TOMBSTONE:
            return int((tombstone_ttl or self._lives.tombstone) * 1000)
        return 0


def pattern_of(beginning: str) -> str:
    """The pattern of keys that begin so, for a SCAN."""
    return _PATTERN_SIGNS.sub(r"\\\g<0>", beginning) + "*"


def _copies(kept: bytes) -> dict[str, str]:
    found = orjson.loads(kept)
    if not isinstance(found, dict):
        raise ValueError("no copies")  # noqa: TRY004 - as for every spoilt field
    return {str(copy): str(position) for copy, position in found.items()}


def _outcome(answer: Sequence[Any]) -> tuple[Applied, list[int]]:
    """What a script answers that applies changes."""
    return Applied(answer[0].decode()), [int(index) for index in answer[1:]]


def _unless_foreign(told: Any) -> Any:
    """What a pipeline was told for one key; None where something stands there that is not ours."""
    if not isinstance(told, Exception):
        return told
    if is_foreign(told):
        return None
    raise told


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def _now() -> str:
    return f"{time.time():.3f}"
