"""Entries as the follower and the fallback make them."""

from router.entries import codec
from router.entries.codec import Entry
from router.numbers.routes import Reason, Refused, Route
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.entry_reader import EntryReader
from router.redis_store.replies import ApplyResult

DATABASE = "numbers/+1415"
NUMBER = "+14158867900"
NOW = 1_800_000_000
ONE, TWO = "1" * 32, "2" * 32


def route(revision: str, account: str = ONE, number: str = NUMBER) -> Entry:
    """A number that routes."""
    return codec.decision_entry(Route(number, account, "in_service", carrier="knm_local"), revision, NOW)


def refusal(revision: str, number: str = NUMBER) -> Entry:
    """A number whose document takes no calls."""
    return codec.decision_entry(Refused(Reason.NOT_IN_SERVICE, number, ONE, "available", "it rests"), revision, NOW)


def rev(generation: int, digest: str = "a") -> str:
    """A revision of that generation."""
    return f"{generation}-{digest * 32}"


class Life:
    """A database's life in the cache under one fencing token."""

    def __init__(self, writer: CacheStore, token: int = 1, database: str = DATABASE) -> None:
        begun = writer.checkpoints.begin_epoch(database, token, instance_start_time="100", purge_seq=0, fingerprint="s")
        assert begun is not None
        self.writer, self.token, self.database = writer, token, database
        self.checkpoint: Checkpoint = begun

    def apply(self, *entries: Entry, number: str = NUMBER, seq: str | None = None) -> tuple[ApplyResult, list[int]]:
        """Apply changes of one number and go on from there."""
        after = seq if seq is not None else f"{self.checkpoint.seq}x"
        result = self.writer.entries.apply(
            self.database, self.token, self.checkpoint, after, [(number, each) for each in entries]
        )
        if result[0] is ApplyResult.OK:
            self.checkpoint = self.writer.checkpoints.get(self.database)
        return result


def held(reader: EntryReader, number: str = NUMBER) -> Entry | None:
    """Return what the cache holds for a number."""
    value = reader.entries([number])[0]
    return None if value is None else codec.unpack(value)
