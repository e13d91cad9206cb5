"""The scheduler: hands each followed database that has work to one worker at a time."""

import queue
import threading
import time
from collections.abc import Callable, Iterable

from router.couch.responses import DatabaseInfo
from router.follower.followed_database import FollowedDatabase, is_followed
from router.redis_store.checkpoints import Checkpoint

_DOUBTED_FEED_CHECK_INTERVAL = 0.5
"""Seconds between two checks of a feed that may be deaf."""
_ROW_GRACE = 0.2
"""Seconds that a quiet feed has to bring a row before its event makes it doubtful: the event may come first."""


class DatabaseScheduler:
    """Owns the followed databases, their lock and the queue of those with work. Threads share it.

    Args:
        feed_check_interval: seconds between two checks of one database's own feed.

    Attributes:
        lock: guards every FollowedDatabase; reentrant.
        stop: set when the leader's session is over.
    """

    def __init__(self, stop: threading.Event, feed_check_interval: float) -> None:
        self.lock = threading.RLock()
        self.stop = stop
        self._feed_check_interval = feed_check_interval
        self._databases: dict[str, FollowedDatabase] = {}
        self._splitting: set[str] = set()
        self._queue: queue.PriorityQueue[tuple[int, float, str]] = queue.PriorityQueue()

    def databases(self) -> list[FollowedDatabase]:
        """Return all followed databases."""
        with self.lock:
            return list(self._databases.values())

    def register(self, name: str, checkpoint: Checkpoint) -> FollowedDatabase | None:
        """Follow a database that the cache is up to; return it where it was not followed before."""
        with self.lock:
            if name in self._databases:
                return None
            self._databases[name] = FollowedDatabase(name, checkpoint)
            return self._databases[name]

    def reserve(self, name: str) -> FollowedDatabase:
        """Follow a database and keep it from the workers until `done`."""
        with self.lock:
            database = self._databases.setdefault(name, FollowedDatabase(name))
            database.working = True
            return database

    def is_followed(self, database: FollowedDatabase) -> bool:
        """Return whether a database is followed, and not another one of its name."""
        with self.lock:
            return self._databases.get(database.name) is database

    def remove(self, name: str) -> None:
        """Stop following a database."""
        with self.lock:
            self._databases.pop(name, None)

    def wake(
        self, name: str, *, needs_reread: bool = False, deleted: bool = False, info: DatabaseInfo | None = None
    ) -> None:
        """Have a database read, or its own feed checked; follow it if it is not followed yet.

        Args:
            needs_reread: the database, or its part of the cache, may not be the one that was read.
            deleted: an event calls it deleted.
            info: its state, where it is known.
        """
        if not is_followed(name) or self.stop.is_set():
            return
        with self.lock:
            database = self._databases.setdefault(name, FollowedDatabase(name))
            database.needs_reread = database.needs_reread or needs_reread
            if deleted:
                database.deletion_reported = True
                self._splitting.add(name)
            if info is not None:
                database.observe_copies(info)
            if database.feed is not None and not database.needs_reread:
                if deleted:
                    database.check_requested = False  # this check is due now, not when the other one is
                self.request_feed_check(database)  # its own feed brings changes sooner
                return
            database.mark_pending()
            self.schedule(database)

    def wake_all(self) -> None:
        """Have every database read: the rules that entries are built with have changed."""
        with self.lock:
            for database in self._databases.values():
                database.drop_feed()
                self.wake(database.name)

    def schedule(self, database: FollowedDatabase) -> None:
        """Queue a database for a worker; the caller holds the lock."""
        if database.working:
            database.requeue = True
        elif not database.queued:
            database.queued = True
            # The few databases that every lookup depends on come before the shards.
            self._queue.put((int(database.is_shard), time.monotonic(), database.name))

    def request_feed_check(self, database: FollowedDatabase) -> None:
        """Check soon whether the database's feed brings everything; the caller holds the lock.

        A purge makes no row, and a feed can be stuck without a sign.
        """
        if database.unconfirmed_since is None:
            database.unconfirmed_since = time.monotonic()
        if database.check_requested:
            return
        database.check_requested = True
        self._schedule_check(database)

    def seconds_until_check(self, database: FollowedDatabase) -> float:
        """Return the time until the database's feed may be checked: a busy one brings rows far more often."""
        if database.deletion_reported:
            return 0.0
        now, interval = time.monotonic(), self._feed_check_interval
        in_doubt = database.is_feed_in_doubt
        if in_doubt or database.overtaken or database.is_splitting(now):
            interval = min(interval, _DOUBTED_FEED_CHECK_INTERVAL)
        earliest = (database.unconfirmed_since or now) + _ROW_GRACE if in_doubt else now
        return max(database.checked_at + interval, earliest) - now

    def claim_check(self, database: FollowedDatabase) -> bool:
        """Return whether the database's feed is to be checked now.

        A check that was queued by an interval which has become longer meanwhile is scheduled again.
        """
        with self.lock:
            if not database.check_requested:
                return False
            if self.seconds_until_check(database) <= 0:
                return True
            if database.check_queued:
                self._schedule_check(database)
            return False

    def schedule_later(self, database: FollowedDatabase, seconds: float) -> None:
        """Have a database read after a while."""
        database.mark_pending()
        _after(seconds, self.wake, database.name)

    def next(self) -> FollowedDatabase | None:
        """Wait for a database with work and reserve it; None at the end, or where it is not followed any more."""
        name = self._queue.get()[2]
        with self.lock:
            database = self._databases.get(name)
            if database is None:
                return None
            database.queued, database.working, database.requeue = False, True, False
            database.applying_since, database.pending_since = database.pending_since, None
            return database

    def done(self, database: FollowedDatabase) -> None:
        """Return a database from a worker; queue it again where it was woken, or its feed brought rows, meanwhile."""
        with self.lock:
            database.working, database.applying_since = False, None
            if database.requeue or database.rows:
                self.schedule(database)

    def release(self, database: FollowedDatabase) -> None:
        """Return a database from `reserve`; queue it where it was woken meanwhile."""
        with self.lock:
            database.working = False
            if database.requeue:
                self.schedule(database)

    def idle_checkpoints(self, names: Iterable[str]) -> dict[str, Checkpoint]:
        """Return the checkpoints of those databases that have no work: Redis must hold what the follower believes."""
        with self.lock:
            known = [self._databases[name] for name in names if name in self._databases]
            return {database.name: database.checkpoint for database in known if database.is_idle}

    def reread_if_unchanged(self, name: str, checkpoint: Checkpoint) -> bool:
        """Have a database read from the start, unless it was changed since its checkpoint was seen."""
        with self.lock:
            database = self._databases.get(name)
            if database is None or not database.is_idle or database.checkpoint != checkpoint:
                return False
            self.wake(name, needs_reread=True)
            return True

    def earliest_pending(self) -> float | None:
        """Return the time of the first known change that is not in the cache, of all databases (monotonic)."""
        with self.lock:
            databases = self._databases.values()
            times = [each for database in databases for each in (database.pending_since, database.applying_since)]
        return min((each for each in times if each is not None), default=None)

    def splitting(self, now: float) -> list[FollowedDatabase]:
        """Return the databases of which a shard is split, or may be."""
        with self.lock:
            known = [self._databases[name] for name in self._splitting if name in self._databases]
            databases = [each for each in known if each.is_splitting(now)]
            self._splitting = {each.name for each in databases}
        return databases

    def close(self, workers: int) -> None:
        """Close all feeds, and let so many workers that wait in `next` go on."""
        with self.lock:
            for database in self._databases.values():
                database.drop_feed()
        for _ in range(workers):
            self._queue.put((-1, 0.0, ""))

    def _schedule_check(self, database: FollowedDatabase) -> None:
        with self.lock:
            wait = self.seconds_until_check(database)
            database.check_queued = wait <= 0
            if wait > 0:
                _after(wait, self._schedule_check, database)
                return
            self.schedule(database)


def _after(seconds: float, act: Callable[..., None], *arguments: object) -> None:
    """Call a function after a while, unless the process ends before."""
    timer = threading.Timer(seconds, act, arguments)
    timer.daemon = True
    timer.start()
