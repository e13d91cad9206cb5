"""The feed of database updates, used as a wake-up: it loses events, and an event's type is not a state."""

import logging
import threading
import time
from dataclasses import dataclass

from router.couch.changes import DatabaseUpdatesFeed
from router.couch.errors import CouchError, CouchRefused, NotFoundError
from router.couch.server import CouchServer
from router.follower.reconciler import Reconciler
from router.follower.replication_wait import ReplicationWait
from router.follower.scheduler import DatabaseScheduler
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)

_NO_FEED_BACKOFF = 30.0
"""Seconds between tries, and between sweeps, where the server has no feed of updates."""
_CHECK_TIMEOUT = 3.0
"""Seconds for the response whether there are events that the feed did not bring."""
_STUCK_THRESHOLD = 2
"""Checks in a row that find an event missing, or get no response, before the feed counts as stuck."""


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
        self._check_interval = check_interval
        self._seq = ""
        self._heartbeat = heartbeat
        self._scheduler = scheduler
        self._reconciler = reconciler
        self._stop = threading.Event()
        self._feed: DatabaseUpdatesFeed | None = None
        self.thread = threading.Thread(target=self._run, name="follower-updates", daemon=True)
        self._checker = threading.Thread(target=self._check_forever, name="follower-updates-check", daemon=True)
        self.replication = ReplicationWait(self._quick.client, reconciler.request_sweep)
        self.up = False
        self.began = self.last_heard_at = self._last_event_at = time.monotonic()
        self.unobserved_since: float | None = self.began

    def start(self) -> None:
        """Start watching."""
        self.thread.start()
        self._checker.start()
        self.replication.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self.replication.close()
        feed = self._feed
        if feed is not None:
            feed.close()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._listen()
                failures = 0
                wait = 0.0
            except (NotFoundError, CouchRefused) as problem:
                self._log_missing(failures, problem)
                self._reconciler.request_sweep()
                failures, wait = failures + 1, _NO_FEED_BACKOFF
            except CouchError as problem:
                failures = 1 if self.up else failures + 1
                wait = RECONNECT.delay(failures)
                log.warning("the feed of database updates is lost, again in %.1f s: %s", wait, problem)
            except Exception:
                failures, wait = failures + 1, RECONNECT.delay(failures + 1)
                log.exception("the feed of database updates failed, again in %.1f s", wait)
            if self.up and self.unobserved_since is None:
                self.unobserved_since = self.last_heard_at
            self.up = False
            self._stop.wait(wait)

    def _listen(self) -> None:
        self._seq = self._couch.updates_now()
        feed = self._feed = DatabaseUpdatesFeed(self._couch.client, self._seq, self._heartbeat)
        # The feed reports what happens from here on; a sweep finds what happened before.
        now = time.monotonic()
        lost_at = self.last_heard_at if self.unobserved_since is None else self.unobserved_since
        self.replication.begin(now, now - lost_at)
        self.began = self.last_heard_at = self._last_event_at = now
        self._reconciler.request_sweep()
        self.up = True
        try:
            feed.open()
            for event in feed.events():
                if self._stop.is_set():
                    return
                self.last_heard_at = time.monotonic()
                if event is not None:
                    self._seq, self._last_event_at = event.seq, self.last_heard_at
                    self._scheduler.wake(event.name, deleted=event.type == "deleted")
        finally:
            feed.close()

    def _check_forever(self) -> None:
        """Check from time to time whether the feed is stuck, and cut it where it is."""
        check = _FeedCheck(time.monotonic())
        while not self._stop.wait(self._check_interval):
            feed, seq, now = self._feed, self._seq, time.monotonic()
            if not self.up or feed is None:
                check = _FeedCheck(now)
                continue
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

    def _log_missing(self, failures: int, problem: CouchError) -> None:
        if not failures:
            why = str(problem) if isinstance(problem, CouchRefused) else "create the database _global_changes"
            log.error("no feed of database updates, so changes show only every %.0f s: %s", _NO_FEED_BACKOFF, why)


@dataclass(slots=True)
class _FeedCheck:
    """Counts the checks in a row at which the feed stood at the same sequence and lacked events.

    Attributes:
        confirmed_at: time of the last check that found nothing missing, monotonic.
        missing: checks in a row that found an event missing.
        seq: the feed's sequence at the last check.
    """

    confirmed_at: float
    missing: int = 0
    seq: str = ""

    @property
    def is_stuck(self) -> bool:
        """Return whether events were missing too often in a row."""
        return self.missing >= _STUCK_THRESHOLD

    def note(self, seq: str, now: float, *, is_behind: bool) -> None:
        """Record the result of one check."""
        repeated = self.missing + 1 if seq == self.seq else 1
        self.missing = repeated if is_behind else 0
        self.seq = seq
        if not is_behind:
            self.confirmed_at = now
