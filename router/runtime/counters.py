"""Counters of events, which the service's metrics export."""

import collections
import threading
from typing import Generic, TypeVar

Key = TypeVar("Key", str, tuple[str, ...])


class Counter:
    """One counter, which is found once instead of each time. Thread-safe."""

    __slots__ = ("_lock", "count")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self, count: int) -> None:
        """Add to it."""
        with self._lock:
            self.count += count


class _Counters(Generic[Key]):
    """Counters by key. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: collections.Counter[Key] = collections.Counter()
        self._single: dict[Key, Counter] = {}

    def add(self, key: Key, count: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[key] += count

    def counter(self, key: Key) -> Counter:
        """Return the counter of a key, for those that add to it often."""
        with self._lock:
            return self._single.setdefault(key, Counter())

    def __getitem__(self, key: Key) -> int:
        single = self._single.get(key)
        return self._counts[key] + (single.count if single is not None else 0)

    def all(self) -> dict[Key, int]:
        """Return all counters."""
        with self._lock:
            single = {key: each.count for key, each in self._single.items() if each.count}
            return {key: self._counts[key] + single.get(key, 0) for key in {**self._counts, **single}}


class Counters(_Counters[str]):
    """Counters by name."""


class LabelledCounters(_Counters[tuple[str, ...]]):
    """Counters by the values of a metric's labels, in the order of its labels."""
