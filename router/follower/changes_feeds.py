"""Feeds of their own for the databases that change most: a change tells itself in milliseconds.

`_db_updates` takes about half a second. A continuous feed takes about ten milliseconds, but costs the server
its heartbeats, so only the busiest have one, and lose it when they fall quiet.
"""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Protocol

from router.couch.changes import ChangesFeed
from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.responses import Change
from router.follower.followed_database import FollowedDatabase
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)

_BUFFER = 5000
"""Changes that may wait to be applied; past that the feed is cut and the database is read instead."""


class Board(Protocol):
    """Whoever hands targets to workers."""

    lock: threading.RLock
    stop: threading.Event

    def enqueue(self, target: FollowedDatabase) -> None:
        """Give a target to a worker; under the lock."""

    def later(self, target: FollowedDatabase, seconds: float) -> None:
        """Have a target read after a while."""


class ChangesFeeds:
    """Opens, reads and closes feeds of single databases.

    Args:
        most: feeds of shards at a time; the few other databases always have one.
        idle: seconds without a change after which a shard loses its feed.
    """

    def __init__(self, board: Board, couch: CouchClient, *, most: int, idle: float, heartbeat: float) -> None:
        self._board = board
        self._couch = couch
        self._most = most
        self._idle = idle
        self._heartbeat = heartbeat

    def give(self, target: FollowedDatabase, others: Iterable[FollowedDatabase]) -> None:
        """Give a database a feed from its checkpoint on, in place of the one that was quiet longest."""
        with self._board.lock:
            if target.feed is not None or self._board.stop.is_set() or not self._make_room(target, others):
                return
            feed = ChangesFeed(self._couch, target.name, target.checkpoint.seq or "0", self._heartbeat)
            target.feed = feed
        threading.Thread(target=self._read, args=(target, feed), name=f"feed {target.name}", daemon=True).start()

    def _make_room(self, target: FollowedDatabase, others: Iterable[FollowedDatabase]) -> bool:
        direct = [each for each in others if each.feed is not None and each.is_shard]
        if not target.is_shard or len(direct) < self._most:
            return True
        idle = [each for each in direct if not each.working and not each.rows]
        if not idle:
            return False
        quietest = min(idle, key=lambda each: each.last_change_at)
        quietest.drop_feed()
        # What it was told of while it had a feed was left to the feed.
        self._board.later(quietest, 0.0)
        return True

    def _read(self, target: FollowedDatabase, feed: ChangesFeed) -> None:
        opened = target.last_heard_at = time.monotonic()
        try:
            feed.open()
            self._take_all(target, feed)
        except CouchError:
            target.failures += 1
        except Exception:
            # A database that seems to have a feed is not read in any other way.
            target.failures += 1
            log.exception("the feed of %s failed", target.name)
        feed.close()
        with self._board.lock:
            if target.feed is not feed:
                return
            target.feed = None
            # Whatever ended the feed: what it did not bring any more may have happened since its last sign of life.
            target.mark_pending(target.last_heard_at)
        lasted = time.monotonic() - opened
        self._board.later(target, 0.0 if lasted > 1 else RECONNECT.delay(target.failures))

    def _take_all(self, target: FollowedDatabase, feed: ChangesFeed) -> None:
        for change in feed.changes():
            target.failures, target.last_heard_at = 0, time.monotonic()
            if change is None:
                if self._is_quiet(target):
                    return
            elif not self._take(target, feed, change):
                return

    def _take(self, target: FollowedDatabase, feed: ChangesFeed, change: Change) -> bool:
        with self._board.lock:
            if target.feed is not feed or len(target.rows) >= _BUFFER:
                return False
            target.rows.append(change)
            target.mark_pending()
            self._board.enqueue(target)
        return True

    def _is_quiet(self, target: FollowedDatabase) -> bool:
        return target.is_shard and not target.rows and time.monotonic() - target.last_change_at > self._idle
