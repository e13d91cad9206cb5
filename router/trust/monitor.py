"""Trust monitor: the only place that decides and publishes what may be trusted."""

import threading
from collections.abc import Set as AbstractSet

from router.trust.trust import FRESH, STALE, UNAVAILABLE, Freshness, Trust


class TrustMonitor:
    """Collects what readiness, lookups, near cache and reference data observe, and publishes the conclusion.

    Threads share it. A method that changes nothing costs one comparison, so it may be called for each batch.

    Attributes:
        current: the conclusion, replaced as a whole before a method returns. Reading it takes no lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._redis_responds = True
        self._receives_invalidations = False
        self._entries_are_current = True
        self._reference_data_synced = False
        self._complete: frozenset[str] = frozenset()
        self.current = self._conclude()

    def redis_failed(self) -> bool:
        """Record that Redis did not respond; return whether it responded before.

        One failure is enough, since a Redis that hangs delays whole batches: from then on only readiness' poll waits
        for it.
        """
        with self._lock:
            was_responding, self._redis_responds = self._redis_responds, False
            self._publish()
        return was_responding

    def redis_responded(self) -> None:
        """Record that Redis responded."""
        if self._redis_responds:
            return
        with self._lock:
            self._redis_responds = True
            self._publish()

    def set_receives_invalidations(self, *, receives: bool) -> None:
        """Record whether the connection that brings invalidations stands; the near cache was cleared since it does."""
        with self._lock:
            self._receives_invalidations = receives
            self._publish()

    def set_entries_current(self, *, current: bool) -> None:
        """Record whether the follower's status proves the entries in Redis current."""
        if self._entries_are_current is current:
            return
        with self._lock:
            self._entries_are_current = current
            self._publish()

    def set_reference_data_synced(self, *, synced: bool) -> None:
        """Record whether the subscription stands that keeps the reference data current."""
        with self._lock:
            self._reference_data_synced = synced
            self._publish()

    def set_complete(self, databases: AbstractSet[str]) -> None:
        """Record which reference databases are held as a whole."""
        with self._lock:
            self._complete = frozenset(databases)
            self._publish()

    def _publish(self) -> None:
        self.current = self._conclude()

    def _conclude(self) -> Trust:
        return Trust(
            near=self._near(),
            redis=self._entries() if self._redis_responds else UNAVAILABLE,
            reference=FRESH if self._reference_data_synced else STALE,
            complete=self._complete,
            receives_invalidations=self._receives_invalidations,
        )

    def _near(self) -> Freshness:
        """Return the near cache's freshness.

        A Redis that hangs leaves the connection open and sends no invalidations, so its failure comes first.
        """
        if not self._redis_responds:
            return STALE
        return self._entries() if self._receives_invalidations else UNAVAILABLE

    def _entries(self) -> Freshness:
        return FRESH if self._entries_are_current else STALE
