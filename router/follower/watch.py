"""CouchDB's feed of database updates, as a wake-up: it loses events, and their types are not states."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from router.couch.databases import Databases
from router.couch.errors import CouchError, CouchRefused, NotFound
from router.couch.feeds import DatabaseUpdatesFeed
from router.follower.backoff import pause

log = logging.getLogger(__name__)

_NO_FEED = 30.0
"""Seconds between tries, and between sweeps, where the server has no feed of updates."""


class Wake(Protocol):
    """Has a database looked at."""

    def __call__(self, name: str, *, suspect: bool = False) -> None:
        """Suspect: it may have been deleted and made again."""


class UpdatesWatch:
    """Wakes databases that CouchDB tells about, and asks for a sweep whenever it could not listen.

    Attributes:
        up: the feed stands.
        began: when it did last, monotonic; what happened before is for a sweep to find.
        unseen_since: since when changes may have gone unseen, monotonic; None again, by whoever catches up with them.
        heard: when anything came from it last, monotonic: a server may be gone for long before that shows.
    """

    def __init__(self, databases: Databases, heartbeat: float, wake: Wake, sweep: Callable[[], None]) -> None:
        self._databases = databases
        self._heartbeat = heartbeat
        self._wake = wake
        self._sweep = sweep
        self._stop = threading.Event()
        self._feed: DatabaseUpdatesFeed | None = None
        self.thread = threading.Thread(target=self._run, name="follower-updates", daemon=True)
        self.up = False
        self.began = self.heard = time.monotonic()
        self.unseen_since: float | None = self.began

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
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
            except (NotFound, CouchRefused) as problem:
                self._log_missing(failures, problem)
                self._sweep()
                failures, wait = failures + 1, _NO_FEED
            except CouchError as problem:
                failures = 1 if self.up else failures + 1
                wait = pause(failures)
                log.warning("the feed of database updates is lost, again in %.1f s: %s", wait, problem)
            except Exception:
                failures, wait = failures + 1, pause(failures + 1)
                log.exception("the feed of database updates failed, again in %.1f s", wait)
            if self.up and self.unseen_since is None:
                self.unseen_since = self.heard
            self.up = False
            self._stop.wait(wait)

    def _listen(self) -> None:
        feed = self._feed = DatabaseUpdatesFeed(self._databases.couch, self._databases.updates_now(), self._heartbeat)
        # The feed tells what happens from here on; what happened before is the sweep's to find.
        self.began = self.heard = time.monotonic()
        self._sweep()
        self.up = True
        try:
            feed.open()
            for event in feed.events():
                if self._stop.is_set():
                    return
                self.heard = time.monotonic()
                if event is not None:
                    self._wake(event.name, suspect=event.type == "deleted")
        finally:
            feed.close()

    def _log_missing(self, failures: int, problem: CouchError) -> None:
        if not failures:
            why = str(problem) if isinstance(problem, CouchRefused) else "create the database _global_changes"
            log.error("no feed of database updates, so changes show only every %.0f s: %s", _NO_FEED, why)
