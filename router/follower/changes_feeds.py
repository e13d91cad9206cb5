"""Feeds of their own for the databases that change most: their changes arrive within milliseconds.

`_db_updates` takes about half a second. A continuous feed takes about ten milliseconds, but costs the server its
heartbeats, so only the busiest databases have one, and lose it when they fall quiet.
"""

import logging
import threading
import time
from collections.abc import Iterable

from router.couch.changes import ChangesFeed
from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.responses import Change
from router.follower.followed_database import FollowedDatabase
from router.follower.scheduler import DatabaseScheduler
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)

_MAX_BUFFERED_CHANGES = 5000
"""Changes that may wait to be applied. Past that the feed is cut and the database is read instead."""


class ChangesFeeds:
    """Opens, reads and closes feeds of single databases.

    Args:
        max_feeds: feeds of shards at a time; the few other databases always have one.
        idle_timeout: seconds without a change after which a shard loses its feed.
        heartbeat: seconds between two heartbeats of a feed.
    """

    def __init__(
        self,
        scheduler: DatabaseScheduler,
        client: CouchClient,
        *,
        max_feeds: int,
        idle_timeout: float,
        heartbeat: float,
    ) -> None:
        self._scheduler = scheduler
        self._client = client
        self._max_feeds = max_feeds
        self._idle_timeout = idle_timeout
        self._heartbeat = heartbeat

    def open(self, database: FollowedDatabase, others: Iterable[FollowedDatabase]) -> None:
        """Open a feed from a database's checkpoint on, in place of the feed that was quiet longest."""
        with self._scheduler.lock:
            if database.feed is not None or self._scheduler.stop.is_set() or not self._make_room(database, others):
                return
            feed = ChangesFeed(self._client, database.name, database.checkpoint.seq or "0", self._heartbeat)
            database.feed = feed
        name = f"feed {database.name}"
        # No BackgroundThread, which repeats its step: a feed is read once, and the scheduler decides what comes next.
        threading.Thread(target=self._read, args=(database, feed), name=name, daemon=True).start()

    def _make_room(self, database: FollowedDatabase, others: Iterable[FollowedDatabase]) -> bool:
        with_feed = [each for each in others if each.feed is not None and each.is_shard]
        if not database.is_shard or len(with_feed) < self._max_feeds:
            return True
        idle = [each for each in with_feed if not each.working and not each.rows]
        if not idle:
            return False
        quietest = min(idle, key=lambda each: each.last_change_at)
        quietest.drop_feed()
        # Events of the time when it had a feed were left to the feed.
        self._scheduler.schedule_later(quietest, 0.0)
        return True

    def _read(self, database: FollowedDatabase, feed: ChangesFeed) -> None:
        opened = database.last_heard_at = time.monotonic()
        try:
            feed.open()
            self._take_all(database, feed)
        except CouchError:
            database.failures += 1
        except Exception:
            # A database that seems to have a feed is not read in any other way.
            database.failures += 1
            log.exception("feed failed: database=%s", database.name)
        feed.close()
        with self._scheduler.lock:
            if database.feed is not feed:
                return
            database.feed = None
            # The changes that the ended feed did not bring may have happened since its last sign of life.
            database.mark_pending(database.last_heard_at)
        lasted = time.monotonic() - opened
        self._scheduler.schedule_later(database, 0.0 if lasted > 1 else RECONNECT.delay(database.failures))

    def _take_all(self, database: FollowedDatabase, feed: ChangesFeed) -> None:
        for change in feed.changes():
            database.failures, database.last_heard_at = 0, time.monotonic()
            if change is None:
                if self._is_quiet(database):
                    return
            elif not self._take(database, feed, change):
                return

    def _take(self, database: FollowedDatabase, feed: ChangesFeed, change: Change) -> bool:
        with self._scheduler.lock:
            if database.feed is not feed or len(database.rows) >= _MAX_BUFFERED_CHANGES:
                return False
            database.rows.append(change)
            database.last_row_at = database.last_heard_at
            database.overtaken.discard(change.id)
            database.mark_pending()
            self._scheduler.schedule(database)
        return True

    def _is_quiet(self, database: FollowedDatabase) -> bool:
        idle = time.monotonic() - database.last_change_at > self._idle_timeout
        return database.is_shard and not database.rows and idle
