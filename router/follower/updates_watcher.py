"""CouchDB's feed of database updates, as a wake-up: it loses events, and their types are not states."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from router.couch.changes import DatabaseUpdatesFeed
from router.couch.errors import CouchError, CouchRefused, NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import CouchServer
from router.follower.replication_wait import ReplicationWait
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)

_NO_FEED_BACKOFF = 30.0
"""Seconds between tries, and between sweeps, where the server has no feed of updates."""


_CHECK_TIMEOUT = 3.0
"""Seconds for the answer whether there are events that the feed did not bring."""
_DOUBTS = 2
"""Times in a row that an event, or the answer, has to be missing."""


class Wake(Protocol):
    """Has a database looked at."""

    def __call__(
        self, name: str, *, needs_reread: bool = False, deleted: bool = False, info: DatabaseInfo | None = None
    ) -> None:
        """See `LeaderSession.wake`."""


class UpdatesWatcher:
    """Wakes databases that CouchDB tells about, and asks for a sweep whenever it could not listen.

    Attributes:
        up: the feed stands.
        began: when it did last, monotonic; what happened before is for a sweep to find.
        settling: whether copies may lack what happened before it began.
        unseen_since: since when changes may have gone unseen, monotonic; None again, by whoever catches up with them.
        heard: when anything came from it last, monotonic: a server may be gone for long before that shows.

    Args:
        check_interval: seconds between two questions whether the feed brings everything: one that is stuck behind a
            frozen node goes on sending heartbeats.
    """

    def __init__(
        self,
        databases: CouchServer,
        heartbeat: float,
        wake: Wake,
        sweep: Callable[[], None],
        *,
        check_interval: float = 3.0,
    ) -> None:
        self._databases = databases
        self._quick = CouchServer(databases.client.with_timeout(min(databases.client.timeout, _CHECK_TIMEOUT)))
        self._check_interval = check_interval
        self._seq = ""
        self._heartbeat = heartbeat
        self._wake = wake
        self._sweep = sweep
        self._stop = threading.Event()
        self._feed: DatabaseUpdatesFeed | None = None
        self.thread = threading.Thread(target=self._run, name="follower-updates", daemon=True)
        self._checker = threading.Thread(target=self._check_forever, name="follower-updates-check", daemon=True)
        self.settling = ReplicationWait(self._quick.client, sweep)
        self.up = False
        self.began = self.last_heard_at = self._delivered = time.monotonic()
        self.unobserved_since: float | None = self.began

    def start(self) -> None:
        """Begin."""
        self.thread.start()
        self._checker.start()
        self.settling.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self.settling.close()
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
                self._sweep()
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
        self._seq = self._databases.updates_now()
        feed = self._feed = DatabaseUpdatesFeed(self._databases.client, self._seq, self._heartbeat)
        # The feed tells what happens from here on; what happened before is the sweep's to find.
        now = time.monotonic()
        self.settling.begin(now, now - (self.last_heard_at if self.unobserved_since is None else self.unobserved_since))
        self.began = self.last_heard_at = self._delivered = now
        self._sweep()
        self.up = True
        try:
            feed.open()
            for event in feed.events():
                if self._stop.is_set():
                    return
                self.last_heard_at = time.monotonic()
                if event is not None:
                    self._seq, self._delivered = event.seq, self.last_heard_at
                    self._wake(event.name, deleted=event.type == "deleted")
        finally:
            feed.close()

    def _check_forever(self) -> None:
        """Ask from time to time whether there are events that the feed did not bring; cut it where it is stuck."""
        confirmed, doubts, owed = time.monotonic(), 0, ""
        while not self._stop.wait(self._check_interval):
            feed, seq, asked = self._feed, self._seq, time.monotonic()
            if not self.up or feed is None:
                confirmed, doubts, owed = asked, 0, ""
                continue
            try:
                is_behind = self._quick.has_updates_after(seq)
            except CouchError:
                is_behind = True
            doubts = (doubts + 1 if seq == owed else 1) if is_behind else 0
            owed = seq
            if not is_behind:
                confirmed = asked
            if doubts < _DOUBTS:
                continue
            log.warning("the feed of database updates is stuck")
            self.last_heard_at = min(self.last_heard_at, max(confirmed, self._delivered))
            feed.close()
            doubts = 0

    def _log_missing(self, failures: int, problem: CouchError) -> None:
        if not failures:
            why = str(problem) if isinstance(problem, CouchRefused) else "create the database _global_changes"
            log.error("no feed of database updates, so changes show only every %.0f s: %s", _NO_FEED_BACKOFF, why)
