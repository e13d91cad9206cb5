"""The reconciler: compares every database with its checkpoint, and finds what the feed of updates lost."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import redis

from router.couch.errors import CouchError
from router.couch.responses import DatabaseInfo
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.follower.applier import Applier
from router.follower.changes_feeds import ChangesFeeds
from router.follower.first_sweep import FirstSweep
from router.follower.older_changes import OlderChanges
from router.follower.scheduler import DatabaseScheduler
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.runtime.background_thread import BackgroundThread
from router.runtime.chunked import chunked

log = logging.getLogger(__name__)


class SweepTimes(NamedTuple):
    """Begin and end of a comparison of all databases, monotonic."""

    began: float
    ended: float


class Reconciler:
    """Sweeps on request, and from time to time.

    Args:
        interval: seconds between two sweeps.

    Attributes:
        swept: set when the first sweep is done.
        last_sweep: the last complete sweep; None before.
    """

    def __init__(
        self,
        couch: CouchServer,
        cache: CacheStore,
        applier: Applier,
        scheduler: DatabaseScheduler,
        feeds: ChangesFeeds,
        older: OlderChanges,
        first_sweep: FirstSweep,
        *,
        interval: float,
    ) -> None:
        self._couch = couch
        self._cache = cache
        self._applier = applier
        self._scheduler = scheduler
        self._feeds = feeds
        self._older = older
        self._first_sweep = first_sweep
        self._interval = interval
        self._thread = BackgroundThread(
            "follower-reconciler",
            self._run_sweep,
            failing="comparing databases with checkpoints failed",
            interval=interval,
            log=log,
            starts_at_once=False,
            expected=(CouchError, redis.RedisError),
        )
        self.swept = threading.Event()
        self.last_sweep: SweepTimes | None = None

    def start(self) -> None:
        """Start; the first sweep begins on request, or after an interval."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._thread.stop()

    def request_sweep(self) -> None:
        """Request a sweep now."""
        self._thread.wake()

    def _run_sweep(self) -> None:
        self._sweep(hurry=self._thread.woken or not self.swept.is_set())
        self.swept.set()

    def _sweep(self, *, hurry: bool) -> None:
        began = time.monotonic()
        shards = self._couch.shards()
        names = [*REFERENCE_DATABASES, *shards]
        checkpoints = dict(zip(names, self._cache.checkpoints.get_many(names), strict=True))
        self._first_sweep.prepare([name for name in shards if not checkpoints[name].epoch])
        registered = self._cache.checkpoints.databases()
        # The set of names may have been lost alone: a database that vanishes would then go unnoticed.
        missing = [name for name in names if checkpoints[name].epoch and name not in registered]
        self._cache.checkpoints.register(missing)
        batches = list(chunked(names, INFO_BATCH_SIZE))
        unknown: list[str] = []
        for batch in batches:
            unknown += self._compare(batch, checkpoints)
            # Spread over the interval, an idle sweep costs the server next to nothing.
            if not hurry and self._thread.wait(self._interval / len(batches)):
                return  # the requested sweep begins at once, from the start
        for batch in chunked(unknown, INFO_BATCH_SIZE):
            self._compare(batch, checkpoints, is_last=True)
        self._wake_vanished(registered - set(names))
        self.last_sweep = SweepTimes(began, time.monotonic())

    def _compare(
        self, names: Sequence[str], checkpoints: Mapping[str, Checkpoint], *, is_last: bool = False
    ) -> list[str]:
        """Have the databases read that differ from their checkpoints.

        Args:
            is_last: a database is read, too, of which an unknown copy answered.

        Returns:
            The databases of which an unknown copy answered. That tells nothing of the database, and on a cluster it
            is one in fifty for a long time: the copies of the asked node mostly answer first. They are asked again.
        """
        unknown = []
        for name, info in self._couch.infos(names).items():
            checkpoint = checkpoints[name]
            if not is_last and self._is_of_unknown_copy(name, checkpoint, info):
                unknown.append(name)
                continue
            if checkpoint.older:
                self._older.recheck(name, checkpoint.epoch, checkpoint.older)
            if self._is_up_to_date(name, checkpoint, info):
                self._register(name, checkpoint)
            else:
                self._scheduler.wake(name, needs_reread=_is_another(checkpoint, info), info=info)
        return unknown

    def _register(self, name: str, checkpoint: Checkpoint) -> None:
        with self._scheduler.lock:
            database = self._scheduler.register(name, checkpoint)
            if database is not None and name in REFERENCE_DATABASES and checkpoint.instance_start_time:
                self._feeds.open(database, ())

    def _is_up_to_date(self, name: str, checkpoint: Checkpoint, info: DatabaseInfo | None) -> bool:
        if info is None:
            return checkpoint.complete and not checkpoint.instance_start_time
        return self._is_valid(name, checkpoint, info) and checkpoint.is_current(info.copies)

    def _is_of_unknown_copy(self, name: str, checkpoint: Checkpoint, info: DatabaseInfo | None) -> bool:
        return info is not None and self._is_valid(name, checkpoint, info) and checkpoint.lacks_only(info.copies)

    def _is_valid(self, name: str, checkpoint: Checkpoint, info: DatabaseInfo) -> bool:
        """Return whether a checkpoint was written for this database and these rules, and no change is left to read."""
        return (
            checkpoint.complete
            and checkpoint.matches(info.instance, info.purges)
            and checkpoint.fingerprint == self._applier.fingerprint_of(name)
            and not checkpoint.stuck_seq
        )

    def _wake_vanished(self, names: Iterable[str]) -> None:
        for name in names:
            self._scheduler.wake(name)


def _is_another(checkpoint: Checkpoint, info: DatabaseInfo | None) -> bool:
    """Return whether the cache holds another instance of the database, or one before a purge."""
    return info is not None and bool(checkpoint.epoch) and not checkpoint.matches(info.instance, info.purges)
