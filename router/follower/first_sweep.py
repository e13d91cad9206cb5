"""The first sweep of a leader's session: its work before any other database is read."""

import threading
from collections.abc import Sequence

from router.follower.applier import FencedError
from router.follower.scheduler import DatabaseScheduler
from router.follower.worker import DatabaseWorker
from router.numbers.kazoo_databases import SYSTEM_CONFIG
from router.redis_store.cache_store import CacheStore


class FirstSweep:
    """Reads the configuration and removes leftovers; workers wait for it.

    Attributes:
        ready: set when the workers may begin, and at the session's end.
    """

    def __init__(self, scheduler: DatabaseScheduler, worker: DatabaseWorker, cache: CacheStore) -> None:
        self._scheduler = scheduler
        self._worker = worker
        self._cache = cache
        self._done = False
        self.ready = threading.Event()

    def prepare(self, unknown: Sequence[str]) -> None:
        """Read the configuration, which decides how entries are built, and remove leftovers; once.

        Args:
            unknown: databases without a checkpoint. Only leftovers can be in the cache of them.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: see `CatchUp.run`; the next sweep repeats it.
        """
        if self._done:
            return
        configuration = self._scheduler.reserve(SYSTEM_CONFIG)
        try:
            self._worker.read(configuration)
        except FencedError:
            self._scheduler.stop.set()
            raise
        finally:
            self._scheduler.release(configuration)
        if unknown:
            self._cache.entries.remove_databases(unknown)
        self.ready.set()
        self._done = True
