"""Counters of events, which the service's metrics export."""

import threading
from collections import Counter
from typing import Generic, TypeVar

Key = TypeVar("Key", str, tuple[str, ...])


class _Counters(Generic[Key]):
    """Counters by key. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()

    def add(self, key: Key, count: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[key] += count

    def __getitem__(self, key: Key) -> int:
        return self._counts[key]

    def all(self) -> dict[Key, int]:
        """Return all counters."""
        with self._lock:
            return dict(self._counts)


class Counters(_Counters[str]):
    """Counters by name."""


class LabelledCounters(_Counters[tuple[str, ...]]):
    """Counters by the values of a metric's labels, in the order of its labels."""
