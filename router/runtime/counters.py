"""Counts of what happened, by name: kept where it happens, exported by the service's metrics."""

import threading
from collections import Counter


class Counters:
    """Counts that threads may add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Add to a count."""
        with self._lock:
            self._counts[name] += count

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def all(self) -> dict[str, int]:
        """All counts so far."""
        with self._lock:
            return dict(self._counts)
