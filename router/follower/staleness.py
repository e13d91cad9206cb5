"""Staleness of the whole cache: the time for which changes may have gone unobserved."""

from router.follower.reconciler import Reconciler
from router.follower.scheduler import DatabaseScheduler
from router.follower.updates_watcher import UpdatesWatcher


class Staleness:
    """Measures the time since changes were last known to be observed."""

    def __init__(self, watcher: UpdatesWatcher, reconciler: Reconciler, scheduler: DatabaseScheduler) -> None:
        self._watcher = watcher
        self._reconciler = reconciler
        self._scheduler = scheduler

    def unobserved_seconds(self, now: float) -> float:
        """Return the seconds for which changes may have gone unobserved that the cache has not caught up with.

        They count from the last sign of CouchDB, or from the end of the former leader. They end when the feed of
        updates is connected, every database was compared with its checkpoint since, and what differed was read.

        Args:
            now: monotonic.
        """
        watcher = self._watcher
        if watcher.up and watcher.unobserved_since is not None and self._has_caught_up():
            watcher.unobserved_since = None
        if watcher.unobserved_since is not None:
            return now - watcher.unobserved_since
        return 0.0 if watcher.up else now - watcher.last_heard_at

    def _has_caught_up(self) -> bool:
        sweep, settled = self._reconciler.last_sweep, self._watcher.replication.settled_at
        if sweep is None or settled is None or sweep.began < max(self._watcher.began, settled):
            return False
        pending = self._scheduler.earliest_pending()
        return pending is None or pending > sweep.ended
