"""A followed database: its position in the cache, and the work that is left for it."""

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from router.couch.changes import ChangesFeed
from router.couch.responses import Change, DatabaseInfo
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.shards import is_shard
from router.redis_store.checkpoints import Checkpoint

SPLIT_TIME = 60.0
"""Seconds after a step of a shard split within which a feed may be deaf: CouchDB 3.5.0 does not end every feed that
waits for a copy that is gone, and it brings nothing more of that shard between heartbeats."""

QUIET_TIME = 2.0
"""Seconds without a row before an event, after which a feed that does not bring the event's change is in doubt."""


def is_followed(name: str) -> bool:
    """Return whether a database is a number shard, or one of the few that every lookup depends on."""
    return is_shard(name) or name in REFERENCE_DATABASES


@dataclass(slots=True, eq=False)
class ListedPage:
    """Changes that a listing stood in for, on their way to the worker that applies them.

    Attributes:
        epoch: the database's epoch when they were read; those of a former instance are not applied.
        began: time when the reading began, monotonic.
        is_last: no changes follow.
        is_applied: set by the worker; done: set when the worker is done, whatever happened.
    """

    changes: Sequence[Change]
    epoch: str
    began: float
    is_last: bool
    is_applied: bool = False
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class FollowedDatabase:
    """State of one database under a leader. One worker at a time works on it; times are monotonic.

    Attributes:
        checkpoint: the cache's position, as far as this follower knows.
        needs_reread: the database, or its part of the cache, may not be the one that was read: read it from the start.
        pending_since: time of the first known change that is not in the cache; None where none is known.
        applying_since: the same for the changes that a worker is applying now.
        queued, working, requeue: waits for a worker; is with one; was woken while it was with one.
        feed: its own continuous feed, while it is busy.
        rows: changes from the feed that are not applied yet.
        last_change_at: time of its last change.
        failures: consecutive failures, for the back-off.
        check_requested: something happened that its own feed may not report; check_queued: the time of that check has
            come; checked_at: time of the last check.
        deletion_reported: an event called it deleted. A shard split reports the same, so the next look decides.
        split_at: time when it was seen to exist although it was reported deleted.
        overtaken: ids of changes that a check read before its own feed brought them.
        unconfirmed_since: time of the first event that its own feed has to confirm; a stuck feed brings nothing and
            gives no sign of it.
        confirming_since: the same while the feed is being checked.
        last_heard_at: the feed's last sign of life; last_row_at: time of the last row that a feed brought.
        listed_at: time when it was last listed.
        reread_at: time from which the changes that a listing stood in for may be read; first_reread_at: time when they
            were read first; rereads: attempts since the listing.
        listed_page: such changes, for the next worker.
        observed_copies: copies of the database that are not in the checkpoint yet: position and time of observation.
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
    check_queued: bool = False
    checked_at: float = -math.inf
    deletion_reported: bool = False
    split_at: float = -math.inf
    overtaken: set[str] = field(default_factory=set)
    unconfirmed_since: float | None = None
    confirming_since: float | None = None
    last_heard_at: float = -math.inf
    last_row_at: float = -math.inf
    listed_at: float = -math.inf
    reread_at: float = -math.inf
    first_reread_at: float | None = None
    rereads: int = 0
    listed_page: ListedPage | None = None
    observed_copies: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def is_shard(self) -> bool:
        """Return whether it is a number database."""
        return self.name not in REFERENCE_DATABASES

    @property
    def is_idle(self) -> bool:
        """Return whether no worker works on it, or will: after a failure Redis may be ahead of this memory."""
        busy = self.working or self.queued or self.needs_reread or self.pending_since is not None
        return self.checkpoint.complete and not busy

    def mark_pending(self, since: float | None = None) -> None:
        """Record a change that is not in the cache yet.

        Args:
            since: earliest time of the change (monotonic); None for now.
        """
        began = time.monotonic() if since is None else since
        self.pending_since = began if self.pending_since is None else min(self.pending_since, began)

    def take_over_feed(self) -> None:
        """Close its feed because the database is read now: the read covers everything that the feed had to bring."""
        self.drop_feed()
        self.applying_since = _earliest(self.applying_since, self.unconfirmed_since, self.confirming_since)
        self.unconfirmed_since = self.confirming_since = None
        self.check_requested = False

    def is_splitting(self, now: float) -> bool:
        """Return whether a shard of it was split a moment ago, or may be at this moment."""
        return self.deletion_reported or now - self.split_at < SPLIT_TIME

    @property
    def is_feed_in_doubt(self) -> bool:
        """Return whether an event waits for a row of a feed that was quiet before the event, and still is."""
        return self.unconfirmed_since is not None and self.last_row_at < self.unconfirmed_since - QUIET_TIME

    def lag(self, now: float, grace: float = 0.0) -> float:
        """Return the seconds that the cache is known to be behind.

        Args:
            grace: seconds that a feed has to bring what an event announced.
        """
        owed = [each for each in (self.unconfirmed_since, self.confirming_since) if each is not None]
        overdue = [each for each in owed if now - each > grace]
        since = _earliest(self.pending_since, self.applying_since, *overdue)
        return 0.0 if since is None else now - since

    def observe_copies(self, info: DatabaseInfo) -> None:
        """Record the positions of the database's copies."""
        now = time.monotonic()
        for copy, position in info.copies.items():
            if self.observed_copies.get(copy, ("", 0.0))[0] != position:
                self.observed_copies[copy] = (position, now)

    def confirm_copies(self, info: DatabaseInfo, before: float) -> dict[str, str]:
        """Return the checkpoint's copies, and the observed ones of which everything is in the cache by now.

        A copy may be ahead of the one whose changes were read. A position therefore counts as read only by a read
        that began a while after it was observed: by then the other copies had caught up.

        Args:
            info: the database when its changes were read.
            before: positions observed before this time (monotonic) are confirmed.
        """
        if info.copies_kept <= 1:
            self.observed_copies.clear()
            return {**info.copies}
        settled = {copy: position for copy, (position, since) in self.observed_copies.items() if since <= before}
        self.observed_copies = {copy: seen for copy, seen in self.observed_copies.items() if copy not in settled}
        return {**self.checkpoint.copies, **settled}

    def drop_feed(self) -> None:
        """Close its own feed and discard the rows from there."""
        feed, self.feed = self.feed, None
        self.rows.clear()
        self.overtaken = set()
        if feed is not None:
            feed.close()


def _earliest(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)
