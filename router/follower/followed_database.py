"""A followed database: where it stands, and what it still has to do."""

import math
import time
from collections import deque
from dataclasses import dataclass, field

from router.couch.changes import ChangesFeed
from router.couch.responses import Change, DatabaseInfo
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.shards import is_shard
from router.redis_store.checkpoints import Checkpoint


def is_followed(name: str) -> bool:
    """Number shards, and the few databases that every lookup depends on."""
    return is_shard(name) or name in REFERENCE_DATABASES


@dataclass(slots=True)
class FollowedDatabase:
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
        deletion_reported: an event called it deleted, which a shard split does, too; whether it was made anew shows
            when it is looked at.
        unconfirmed: since when something is known to have happened to it that its own feed has to bring (monotonic);
            a feed that is stuck brings nothing, and says nothing of it.
        confirming: the same, while it is being looked whether the feed brought everything.
        heard: its feed's last sign of life (monotonic).
        observed: copies of the database that are not in the checkpoint yet, where each was, and since when (monotonic).
    """

    name: str
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    needs_reread: bool = False
    pending_since: float | None = None
    applying_since: float | None = None
    queued: bool = False
    working: bool = False
    requeue: bool = False
    feed: ChangesFeed | None = None
    rows: deque[Change] = field(default_factory=deque)
    last_change_at: float = 0.0
    failures: int = 0
    check_requested: bool = False
    checked_at: float = -math.inf
    deletion_reported: bool = False
    unconfirmed_since: float | None = None
    confirming_since: float | None = None
    last_heard_at: float = -math.inf
    observed_copies: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def is_shard(self) -> bool:
        """Whether it is a number database."""
        return self.name not in REFERENCE_DATABASES

    def mark_pending(self, since: float | None = None) -> None:
        """Something happened to it that is not in the cache yet.

        Args:
            since: when at the earliest (monotonic); now, if that is known.
        """
        began = time.monotonic() if since is None else since
        self.pending_since = began if self.pending_since is None else min(self.pending_since, began)

    def take_over_feed(self) -> None:
        """Leave its feed to somebody who reads it now: what the feed had to bring is what is being read."""
        self.drop_feed()
        known = [
            each for each in (self.applying_since, self.unconfirmed_since, self.confirming_since) if each is not None
        ]
        self.applying_since = min(known) if known else None
        self.unconfirmed_since = self.confirming_since = None
        self.check_requested = False

    def lag(self, now: float, grace: float = 0.0) -> float:
        """Return the seconds that it is behind, as far as known.

        Args:
            grace: seconds that a feed has to bring what it is known to have to.
        """
        known = [each for each in (self.pending_since, self.applying_since) if each is not None]
        owed = [
            each for each in (self.unconfirmed_since, self.confirming_since) if each is not None and now - each > grace
        ]
        since = known + owed
        return now - min(since) if since else 0.0

    def observe_copies(self, info: DatabaseInfo) -> None:
        """Note where copies of the database are."""
        now = time.monotonic()
        for copy, position in info.copies.items():
            if self.observed_copies.get(copy, ("", 0.0))[0] != position:
                self.observed_copies[copy] = (position, now)

    def confirm_copies(self, info: DatabaseInfo, before: float) -> dict[str, str]:
        """Return the checkpoint's copies, and those observed of which everything is in the cache by now.

        A copy may be ahead of the one whose changes were read. So what a copy had at some time counts as read only
        by a reading that began a while later: by then it had reached the others.

        Args:
            info: as the database was when its changes were read.
            before: copies seen there before this time (monotonic) are confirmed.
        """
        if info.copies_kept <= 1:
            self.observed_copies.clear()
            return {**info.copies}
        settled = {copy: position for copy, (position, since) in self.observed_copies.items() if since <= before}
        self.observed_copies = {copy: seen for copy, seen in self.observed_copies.items() if copy not in settled}
        return {**self.checkpoint.copies, **settled}

    def drop_feed(self) -> None:
        """Close its own feed and forget what came from it."""
        feed, self.feed = self.feed, None
        self.rows.clear()
        if feed is not None:
            feed.close()
