"""One term of a leading follower: from taking the lease to losing it.

The updates watch wakes databases, the sweeper wakes those that the watch missed, direct feeds bring the changes
of the busiest, and a few workers bring the cache up to one database at a time each.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

import redis

from router.couch.errors import CouchError, CouchRefused, ResponseLost
from router.couch.responses import DatabaseInfo
from router.couch.server import CouchServer
from router.follower.applier import Applier, CheckpointConflict, FencedError
from router.follower.catch_up import REPLICATION_TIME, CatchUp
from router.follower.changes_feeds import ChangesFeeds
from router.follower.followed_database import FollowedDatabase, is_followed
from router.follower.integrity_checker import IntegrityChecker
from router.follower.older_changes import OlderChanges
from router.follower.reconciler import Reconciler
from router.follower.updates_watcher import UpdatesWatcher
from router.numbers.kazoo_databases import REFERENCE_DATABASES, SYSTEM_CONFIG
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.integrity_scan import IntegrityScan
from router.runtime.backoff import RECONNECT
from router.settings import Settings

log = logging.getLogger(__name__)

_FEED_CHECK_INTERVAL = 3.0
"""Seconds between two looks at most whether a database's own feed brings everything; less where `stale_after` is
short, since a feed that is stuck must show before."""
_FEED_CHECKS_BEFORE_STALE = 4
_REFUSED_BACKOFF = 60.0
"""Seconds until a database is looked at again when the credentials were refused."""


class LeaderSession:
    """Leads under one fencing token until stopped or fenced off.

    Args:
        on_config: called when the number manager's configuration may have changed in the cache.
        unseen: seconds for which nobody has looked at changes.

    Attributes:
        stop: set when the term is over, by whoever noticed.
    """

    def __init__(
        self,
        settings: Settings,
        databases: CouchServer,
        writer: CacheStore,
        applier: Applier,
        garbled: IntegrityScan,
        on_config: Callable[[], None],
        *,
        unseen: float = 0.0,
    ) -> None:
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self._prepared = threading.Event()
        self.targets: dict[str, FollowedDatabase] = {}
        self._databases = databases
        self._writer = writer
        self._applier = applier
        self._on_config = on_config
        self._queue: queue.PriorityQueue[tuple[int, float, str]] = queue.PriorityQueue()
        self._look_interval = min(_FEED_CHECK_INTERVAL, settings.cache.stale_after / _FEED_CHECKS_BEFORE_STALE)
        self._catch_up = CatchUp(
            databases,
            writer,
            applier,
            page=settings.follower.batch_size,
            settling=min(REPLICATION_TIME, settings.follower.reconcile_interval / 2),
        )
        self.older = OlderChanges(applier.look_again, self.stop)
        applier.on_undecided = self.older.add
        self._direct = ChangesFeeds(
            self,
            databases.client,
            most=settings.follower.max_feeds,
            idle=settings.follower.feed_idle_timeout,
            heartbeat=settings.follower.heartbeat,
        )
        self.sweeper = Reconciler(
            databases,
            writer,
            interval=settings.follower.reconcile_interval,
            wake=self.wake,
            register=self._register,
            fresh=self._first_sweep,
            shape_of=applier.shape_of,
            recheck=self.older.recheck,
        )
        self.watch = UpdatesWatcher(
            databases, settings.follower.heartbeat, self.wake, self.sweeper.ask, check_interval=self._look_interval
        )
        self.watch.unobserved_since = time.monotonic() - unseen
        self.patrol = IntegrityChecker(self, writer, applier, garbled)
        self._workers = [
            threading.Thread(target=self._work, name=f"follower-{index}", daemon=True)
            for index in range(settings.follower.workers)
        ]

    def start(self) -> None:
        """Begin following."""
        self.sweeper.start()
        self.watch.start()
        self.patrol.start()
        self.older.start()
        for worker in self._workers:
            worker.start()

    def end(self) -> None:
        """Stop everything; whoever is in the middle of a transaction finishes it."""
        self.stop.set()
        self._prepared.set()
        self.watch.close()
        self.sweeper.close()
        self.older.close()
        with self.lock:
            for target in self.targets.values():
                target.drop_feed()
        for _ in self._workers:
            self._queue.put((-1, 0.0, ""))
        for worker in self._workers:
            worker.join(timeout=5)

    def wake(
        self, name: str, *, needs_reread: bool = False, deleted: bool = False, info: DatabaseInfo | None = None
    ) -> None:
        """Have a database looked at; it becomes followed if it was not.

        Args:
            suspect: it may not be the database that it was, or the cache not what it was.
            deleted: an event calls it deleted.
            info: what it said of itself.
        """
        if not is_followed(name) or self.stop.is_set():
            return
        with self.lock:
            target = self.targets.setdefault(name, FollowedDatabase(name))
            target.needs_reread = target.needs_reread or needs_reread
            target.deletion_reported = target.deletion_reported or deleted
            if info is not None:
                target.observe_copies(info)
            if target.feed is not None and not target.needs_reread:
                self._expect(target)  # of changes its own feed tells sooner
                return
            target.mark_pending()
            self.enqueue(target)

    def lag_of(self, target: FollowedDatabase, now: float) -> float:
        """Return the seconds that a database is behind, as far as known."""
        return target.lag(now, 2 * self._look_interval)

    def unobserved_seconds(self, now: float) -> float:
        """Seconds for which changes may have gone unseen that nobody has caught up with yet.

        It begins when CouchDB can't be heard any more (or with the end of the former leader), and is over when every
        database was compared with its checkpoint since it can be heard again, and what differed has been read.
        """
        watch = self.watch
        if watch.up and watch.unobserved_since is not None and self._has_caught_up():
            watch.unobserved_since = None
        since = watch.unobserved_since if watch.up or watch.unobserved_since is not None else watch.last_heard_at
        return 0.0 if since is None else now - since

    def _has_caught_up(self) -> bool:
        compared, settled = self.sweeper.compared, self.watch.settling.settled_at
        if compared is None or settled is None or compared.began < max(self.watch.began, settled):
            return False
        with self.lock:
            waiting = [
                each for target in self.targets.values() for each in (target.pending_since, target.applying_since)
            ]
        return all(each is None or each > compared.ended for each in waiting)

    def wake_all(self) -> None:
        """Have every database looked at: answers are made differently now."""
        with self.lock:
            for target in self.targets.values():
                target.drop_feed()
                self.wake(target.name)

    def enqueue(self, target: FollowedDatabase) -> None:
        """Give a target to a worker; under the lock."""
        if target.working:
            target.requeue = True
        elif not target.queued:
            target.queued = True
            # The few databases that every lookup depends on come before the shards.
            self._queue.put((int(target.is_shard), time.monotonic(), target.name))

    def _expect(self, target: FollowedDatabase) -> None:
        """Have it seen whether its feed brings what happened, and whether something did of which no feed tells.

        A purge makes no row, and a feed can be stuck without a sign. Under the lock.
        """
        if target.unconfirmed_since is None:
            target.unconfirmed_since = time.monotonic()
        if target.check_requested:
            return
        target.check_requested = True
        wait = 0.0 if target.deletion_reported else target.checked_at + self._look_interval - time.monotonic()
        if wait <= 0:
            self.enqueue(target)
            return
        _after(wait, self._enqueue_again, target)

    def _enqueue_again(self, target: FollowedDatabase) -> None:
        with self.lock:
            self.enqueue(target)

    def later(self, target: FollowedDatabase, seconds: float) -> None:
        """Have a target read after a while."""
        target.mark_pending()
        _after(seconds, self.wake, target.name)

    def _register(self, name: str, checkpoint: Checkpoint) -> None:
        """The cache is up to this database already."""
        with self.lock:
            target = self.targets.get(name)
            if target is None:
                self.targets[name] = FollowedDatabase(name, checkpoint)
                if name in REFERENCE_DATABASES and checkpoint.instance_start_time:
                    self._direct.give(self.targets[name], ())

    def _first_sweep(self, fresh: Sequence[str]) -> None:
        """Before anything is read: the configuration decides how, and leftovers of unknown databases go."""
        with self.lock:
            configuration = self.targets.setdefault(SYSTEM_CONFIG, FollowedDatabase(SYSTEM_CONFIG))
            configuration.working = True
        try:
            self._read(configuration)
        except FencedError:
            self.stop.set()
            raise
        finally:
            with self.lock:
                configuration.working = False
        if fresh:
            self._writer.entries.remove_databases(fresh)
        self._prepared.set()

    def _work(self) -> None:
        # What the feed of updates wakes earlier has to wait: its entries would be taken for leftovers.
        self._prepared.wait()
        while not self.stop.is_set():
            name = self._queue.get()[2]
            with self.lock:
                target = self.targets.get(name)
                if target is None:
                    continue
                target.queued, target.working, target.requeue = False, True, False
                target.applying_since, target.pending_since = target.pending_since, None
            try:
                self._bring_up(target)
            except Exception:
                # It could not even be put off. Nobody of this term reads it any more; the next one does.
                log.exception("following %s failed; a new term begins", target.name)
                self.stop.set()
            with self.lock:
                target.working, target.applying_since = False, None
                if target.requeue or target.rows:
                    self.enqueue(target)

    def _bring_up(self, target: FollowedDatabase) -> None:
        """Apply what its feed brought, or read its changes; what fails is tried again after a pause."""
        try:
            if target.feed is not None and not target.needs_reread:
                self._apply_rows(target)
                if target.check_requested:
                    self._check_feed(target)
            else:
                self._read(target)
            target.failures = 0
        except FencedError:
            log.warning("another follower took over")
            self.stop.set()
        except CheckpointConflict:
            log.info("the cache's checkpoint of %s is not ours any more; going on from what it says", target.name)
            self._again(target, 0.05)
        except (CouchError, redis.RedisError) as problem:
            target.failures += 1
            wait = _REFUSED_BACKOFF if isinstance(problem, CouchRefused) else RECONNECT.delay(target.failures)
            log.warning("following %s failed, again in %.1f s: %s", target.name, wait, problem)
            self._again(target, wait)
        except Exception:
            log.exception("following %s failed", target.name)
            target.failures += 1
            self._again(target, RECONNECT.delay(target.failures))

    def _again(self, target: FollowedDatabase, seconds: float) -> None:
        with self.lock:
            target.drop_feed()
            target.pending_since = target.applying_since or target.pending_since
        self.later(target, seconds)

    def _read(self, target: FollowedDatabase, *, is_stuck: bool = False) -> None:
        with self.lock:
            target.take_over_feed()
        found = self._catch_up.run(target, self.stop, is_stuck=is_stuck)
        if not found.exists and target.is_shard:
            with self.lock:
                self.targets.pop(target.name, None)
            return
        if target.name == SYSTEM_CONFIG:
            self._on_config()
        if found.changes:
            target.last_change_at = time.monotonic()
        busy = found.changes and not found.whole
        if found.exists and (busy or not target.is_shard):
            self._direct.give(target, list(self.targets.values()))

    def _check_feed(self, target: FollowedDatabase) -> None:
        """Read a database again whose feed is stuck, or that was purged or made anew since its feed was opened."""
        with self.lock:
            target.check_requested, target.checked_at = False, time.monotonic()
            target.confirming_since, target.unconfirmed_since = target.unconfirmed_since, None
        info = self._databases.database(target.name).info()
        if self._catch_up.is_another(target, info):
            target.needs_reread = True
            self._read(target)
            return
        target.deletion_reported = False
        try:
            found = self._catch_up.confirm(target, self.stop)
        except ResponseLost as problem:
            log.warning("the feed of %s is stuck (%s); the database is listed instead", target.name, problem)
            self._read(target, is_stuck=True)
            return
        with self.lock:
            target.confirming_since = None
        if found:
            self._has_changed(target)

    def _has_changed(self, target: FollowedDatabase) -> None:
        target.last_change_at = time.monotonic()
        if target.name == SYSTEM_CONFIG:
            self._on_config()

    def _apply_rows(self, target: FollowedDatabase) -> None:
        rows = [target.rows.popleft() for _ in range(len(target.rows))]
        if not rows:
            return
        apply = self._applier.apply if target.is_shard else self._applier.apply_documents
        target.checkpoint = apply(target.name, target.checkpoint, rows)
        self._has_changed(target)


def _after(seconds: float, act: Callable[..., None], *words: object) -> None:
    """Do something after a while, unless the process ends before."""
    timer = threading.Timer(seconds, act, words)
    timer.daemon = True
    timer.start()
