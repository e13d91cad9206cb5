"""A followed database: where it stands, and what it still has to do."""

import math
import time
from collections import deque
from dataclasses import dataclass, field

from router.cache.followed import FOLLOWED
from router.cache.writer import Checkpoint
from router.couch.databases import Change
from router.couch.feeds import ChangesFeed
from router.numbers.shards import is_shard


def is_followed(name: str) -> bool:
    """Number shards, and the few databases that every lookup depends on."""
    return is_shard(name) or name in FOLLOWED


@dataclass(slots=True)
class Target:
    """One database under a follower; one worker at a time works on it.

    Attributes:
        checkpoint: where the cache stands, as far as this follower knows.
        suspect: it may not be the database that it was: read everything again.
        noticed: since when something is known to have happened to it (monotonic); None when nothing is.
        reading: the same, for what a worker is applying now.
        queued, working, again: waiting for a worker; with one; woken while with one.
        feed: its own continuous feed, while it is busy.
        rows: changes from there, not applied yet.
        active: when it changed last (monotonic).
        failures: in a row, for the back-off.
        told: something happened to it that its own feed may not tell; looked: when that was looked into (monotonic).
    """

    name: str
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    suspect: bool = False
    noticed: float | None = None
    reading: float | None = None
    queued: bool = False
    working: bool = False
    again: bool = False
    feed: ChangesFeed | None = None
    rows: deque[Change] = field(default_factory=deque)
    active: float = 0.0
    failures: int = 0
    told: bool = False
    looked: float = -math.inf

    @property
    def is_shard(self) -> bool:
        """Whether it is a number database."""
        return self.name not in FOLLOWED

    def notice(self) -> None:
        """Something happened to it that is not in the cache yet."""
        if self.noticed is None:
            self.noticed = time.monotonic()

    def lag(self, now: float) -> float:
        """Seconds behind, as far as known."""
        since = [each for each in (self.noticed, self.reading) if each is not None]
        return now - min(since) if since else 0.0

    def drop_feed(self) -> None:
        """Close its own feed and forget what came from it."""
        feed, self.feed = self.feed, None
        self.rows.clear()
        if feed is not None:
            feed.close()
