"""The session of one leader: from taking the lease to losing it.

The updates watcher wakes databases, the reconciler wakes those that the watcher missed, feeds of their own bring the
changes of the busiest, and a few workers bring the cache up to one database at a time each.
"""

import threading
import time
from collections.abc import Callable

from router.couch.server import CouchServer
from router.follower.applier import Applier
from router.follower.catch_up import REPLICATION_TIME, CatchUp
from router.follower.changes_feeds import ChangesFeeds
from router.follower.first_sweep import FirstSweep
from router.follower.followed_database import FollowedDatabase
from router.follower.integrity_checker import IntegrityChecker
from router.follower.listed_changes import ListedChanges
from router.follower.older_changes import OlderChanges
from router.follower.reconciler import Reconciler
from router.follower.scheduler import DatabaseScheduler
from router.follower.staleness import Staleness
from router.follower.updates_watcher import UpdatesWatcher
from router.follower.worker import DatabaseWorker
from router.redis_store.cache_store import CacheStore
from router.redis_store.integrity_scan import IntegrityScan
from router.settings import Settings

_FEED_CHECK_INTERVAL = 3.0
"""Seconds between two checks whether a database's own feed brings everything; less where `stale_after` is short,
since a stuck feed must show before."""
_FEED_CHECKS_BEFORE_STALE = 4


class LeaderSession:
    """Follows CouchDB under one fencing token until stopped or fenced off.

    Args:
        on_config: called when number_manager's configuration may have changed in the cache.
        unobserved: seconds for which no leader has observed changes.
        on_visible: called when changes of a complete database are in Redis, with the seconds since the first of them
            was noticed.

    Attributes:
        stop: set when the session is over, by the part that noticed.
    """

    def __init__(
        self,
        settings: Settings,
        couch: CouchServer,
        cache: CacheStore,
        applier: Applier,
        scan: IntegrityScan,
        on_config: Callable[[], None],
        *,
        unobserved: float = 0.0,
        on_visible: Callable[[float], None] = lambda _: None,
    ) -> None:
        follower = settings.follower
        self._feed_check_interval = min(_FEED_CHECK_INTERVAL, settings.cache.stale_after / _FEED_CHECKS_BEFORE_STALE)
        self.stop = threading.Event()
        self.scheduler = DatabaseScheduler(self.stop, self._feed_check_interval)
        replication_time = min(REPLICATION_TIME, follower.reconcile_interval / 2)
        catch_up = CatchUp(couch, cache, applier, page=follower.batch_size, replication_time=replication_time)
        self._older = OlderChanges(applier.recheck)
        applier.on_undecided = self._older.add
        feeds = ChangesFeeds(
            self.scheduler,
            couch.client,
            max_feeds=follower.max_feeds,
            idle_timeout=follower.feed_idle_timeout,
            heartbeat=follower.heartbeat,
        )
        self._listed_changes = ListedChanges(
            self.scheduler,
            catch_up.quick,
            catch_up.impatient,
            cache.checkpoints,
            applier,
            page=follower.batch_size,
            replication_time=replication_time,
        )
        worker = DatabaseWorker(self.scheduler, applier, catch_up, self._listed_changes, feeds, on_config, on_visible)
        self._first_sweep = FirstSweep(self.scheduler, worker, cache)
        self.reconciler = Reconciler(
            couch,
            cache,
            applier,
            self.scheduler,
            feeds,
            self._older,
            self._first_sweep,
            interval=follower.reconcile_interval,
        )
        self.watcher = UpdatesWatcher(
            couch, follower.heartbeat, self.scheduler, self.reconciler, check_interval=self._feed_check_interval
        )
        self.watcher.unobserved_since = time.monotonic() - unobserved
        self._staleness = Staleness(self.watcher, self.reconciler, self.scheduler)
        self.integrity_checker = IntegrityChecker(self.scheduler, cache, applier, scan)
        # No BackgroundThread: an error of a worker ends the session, and its thread with it, instead of being repeated.
        self._workers = [
            threading.Thread(target=worker.run, args=(self._first_sweep.ready,), name=f"follower-{index}", daemon=True)
            for index in range(follower.workers)
        ]

    def start(self) -> None:
        """Start following."""
        self.reconciler.start()
        self.watcher.start()
        self.integrity_checker.start()
        self._older.start()
        self._listed_changes.start()
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Stop everything; a transaction that is under way ends first."""
        self.stop.set()
        self._first_sweep.ready.set()
        self.watcher.close()
        self.reconciler.close()
        self.integrity_checker.close()
        self._older.close()
        self._listed_changes.close()
        self.scheduler.close(len(self._workers))
        for worker in self._workers:
            worker.join(timeout=5)

    def lag_of(self, database: FollowedDatabase, now: float) -> float:
        """Return the seconds that the cache is known to be behind one database."""
        return database.lag(now, 2 * self._feed_check_interval)

    def split_lag(self, now: float) -> float | None:
        """Return the seconds that the cache is behind a database of which a shard is split; None without a split.

        A feed may have ended, or be deaf, so every event counts from when it came.
        """
        return max((each.lag(now) for each in self.scheduler.splitting(now)), default=None)

    def unobserved_seconds(self, now: float) -> float:
        """Return the seconds for which changes may have gone unobserved (see `Staleness`)."""
        return self._staleness.unobserved_seconds(now)
