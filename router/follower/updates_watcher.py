"""The feed of database updates, used as a wake-up: it loses events, and an event's type is not a state."""

import logging
import time
from dataclasses import dataclass

from router.couch.changes import DatabaseUpdatesFeed
from router.couch.errors import CouchError, CouchRefused, NotFoundError
from router.couch.server import CouchServer
from router.follower.reconciler import Reconciler
from router.follower.replication_wait import ReplicationWait
from router.follower.scheduler import DatabaseScheduler
from router.runtime.background_thread import BackgroundThread

log = logging.getLogger(__name__)

_NO_FEED_BACKOFF = 30.0
"""Seconds between tries, and between sweeps, where the server has no feed of updates."""
_CHECK_TIMEOUT = 3.0
"""Seconds for the response whether there are events that the feed did not bring."""
_STUCK_THRESHOLD = 2
"""Consecutive checks that find an event missing, or get no response, before the feed counts as stuck."""


class UpdatesWatcher:
    """Wakes the databases of the feed's events, and requests a sweep after every gap in the feed.

    Args:
        heartbeat: seconds between two heartbeats of the feed.
        check_interval: seconds between two checks whether the feed brings everything. A feed that is stuck behind a
            frozen node goes on sending heartbeats.

    Attributes:
        up: the feed is connected.
        began: time of its last connect, monotonic; a sweep finds what happened before.
        replication: tells whether copies may lack what happened before the feed was connected.
        unobserved_since: time since when changes may have gone unobserved, monotonic; `Staleness` sets it to None
            when the cache has caught up.
        last_heard_at: time of its last sign of life, monotonic. A server may be down for long before that shows.
    """

    def __init__(
        self,
        couch: CouchServer,
        heartbeat: float,
        scheduler: DatabaseScheduler,
        reconciler: Reconciler,
        *,
        check_interval: float = 3.0,
    ) -> None:
        self._couch = couch
        self._quick = CouchServer(couch.client.with_timeout(min(couch.client.timeout, _CHECK_TIMEOUT)))
        self._seq = ""
        self._heartbeat = heartbeat
        self._scheduler = scheduler
        self._reconciler = reconciler
        self._feed: DatabaseUpdatesFeed | None = None
        self._is_missing = False
        self._check = _FeedCheck(time.monotonic())
        self._thread = BackgroundThread(
            "follower-updates",
            self._run,
            failing="the feed of database updates is lost",
            interval=0.0,
            log=log,
            expected=(CouchError,),
        )
        self._checker = BackgroundThread(
            "follower-updates-check",
            self._check_feed,
            failing="checking the feed of database updates failed",
            interval=check_interval,
            log=log,
            starts_at_once=False,
        )
        self.replication = ReplicationWait(self._quick.client, reconciler.request_sweep)
        self.up = False
        self.began = self.last_heard_at = self._last_event_at = time.monotonic()
        self.unobserved_since: float | None = self.began

    def start(self) -> None:
        """Start watching."""
        self._thread.start()
        self._checker.start()
        self.replication.start()

    def close(self) -> None:
        """Stop."""
        self._thread.stop()
        self._checker.stop()
        self.replication.close()
        feed = self._feed
        if feed is not None:
            feed.close()

    def _run(self) -> float:
        try:
            self._listen()
        except (NotFoundError, CouchRefused) as problem:
            self._log_missing(problem)
            self._reconciler.request_sweep()
            return _NO_FEED_BACKOFF
        finally:
            if self.up and self.unobserved_since is None:
                self.unobserved_since = self.last_heard_at
            self.up = False
        return 0.0

    def _listen(self) -> None:
        self._seq = self._couch.updates_now()
        feed = self._feed = DatabaseUpdatesFeed(self._couch.client, self._seq, self._heartbeat)
        # The feed reports what happens from here on; a sweep finds what happened before.
        now = time.monotonic()
        lost_at = self.last_heard_at if self.unobserved_since is None else self.unobserved_since
        self.replication.begin(now, now - lost_at)
        self.began = self.last_heard_at = self._last_event_at = now
        self._reconciler.request_sweep()
        self.up, self._is_missing, self._thread.failures = True, False, 0
        try:
            feed.open()
            for event in feed.events():
                if self._thread.stopping:
                    return
                self.last_heard_at = time.monotonic()
                if event is not None:
                    self._seq, self._last_event_at = event.seq, self.last_heard_at
                    self._scheduler.wake(event.name, deleted=event.type == "deleted")
        finally:
            feed.close()

    def _check_feed(self) -> None:
        """Check whether the feed is stuck, and cut it where it is."""
        feed, seq, now = self._feed, self._seq, time.monotonic()
        if not self.up or feed is None:
            self._check = _FeedCheck(now)
            return
        check = self._check
        check.note(seq, now, is_behind=self._is_behind(seq))
        if check.is_stuck:
            log.warning("the feed of database updates is stuck")
            self.last_heard_at = min(self.last_heard_at, max(check.confirmed_at, self._last_event_at))
            feed.close()
            check.missing = 0

    def _is_behind(self, seq: str) -> bool:
        """Return whether CouchDB has events after a sequence, or does not respond."""
        try:
            return self._quick.has_updates_after(seq)
        except CouchError:
            return True

    def _log_missing(self, problem: CouchError) -> None:
        if not self._is_missing:
            why = str(problem) if isinstance(problem, CouchRefused) else "create the database _global_changes"
            self._is_missing = True
            log.error("no feed of database updates, so changes show only every %.0f s: %s", _NO_FEED_BACKOFF, why)


@dataclass(slots=True)
class _FeedCheck:
    """Counts the consecutive checks at which the feed stood at the same sequence and lacked events.

    Attributes:
        confirmed_at: time of the last check that found nothing missing, monotonic.
        missing: consecutive checks that found an event missing.
        seq: the feed's sequence at the last check.
    """

    confirmed_at: float
    missing: int = 0
    seq: str = ""

    @property
    def is_stuck(self) -> bool:
        """Return whether events were missing in too many consecutive checks."""
        return self.missing >= _STUCK_THRESHOLD

    def note(self, seq: str, now: float, *, is_behind: bool) -> None:
        """Record the result of one check."""
        repeated = self.missing + 1 if seq == self.seq else 1
        self.missing = repeated if is_behind else 0
        self.seq = seq
        if not is_behind:
            self.confirmed_at = now
