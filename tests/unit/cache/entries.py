"""Entries as the follower and the fallback make them."""

from router.entries import codec
from router.entries.codec import Entry
from router.numbers.routes import Reason, Refused, Route
from router.redis_store.entry_reader import CacheReader
from router.redis_store.writer import Applied, CacheWriter, Checkpoint

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

    def __init__(self, writer: CacheWriter, token: int = 1, database: str = DATABASE) -> None:
        begun = writer.begin(database, token, instance="100", purges=0, shape="s")
        assert begun is not None
        self.writer, self.token, self.database = writer, token, database
        self.checkpoint: Checkpoint = begun

    def apply(self, *entries: Entry, number: str = NUMBER, seq: str | None = None) -> tuple[Applied, list[int]]:
        """Apply changes of one number and go on from there."""
        after = seq if seq is not None else f"{self.checkpoint.seq}x"
        said = self.writer.apply(
            self.database, self.token, self.checkpoint, after, [(number, each) for each in entries]
        )
        if said[0] is Applied.OK:
            self.checkpoint = self.writer.checkpoint(self.database)
        return said


def held(reader: CacheReader, number: str = NUMBER) -> Entry | None:
    """What the cache holds for a number."""
    value = reader.entries([number])[0]
    return None if value is None else codec.unpack(value)
