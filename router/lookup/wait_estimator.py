"""Estimates the queueing delay of database reads from recent completions."""

import math

_IDLE_THRESHOLD = 32
"""Numbers in flight that are never too many: an idle store tells nothing about a busy one."""
_BUSY_THRESHOLD = 16
"""Numbers in flight from which on a completion tells something: with fewer, it measures nothing but its own read."""
_MEMORY = 0.5
"""Seconds after which an observation counts for a third of a new one: the time of some reads of a busy store, however
many numbers each of them brings."""


class WaitEstimator:
    """Estimates the seconds that each number in flight adds to the wait of the next one (Little's law).

    Not thread-safe: its owner holds a lock.
    """

    def __init__(self) -> None:
        self._took = 0.0
        self._ahead = 0.0
        self._last = 0.0

    def completed(self, took: float, ahead: int, now: float) -> None:
        """Record a completion: its seconds in flight, and how many numbers were in flight when it started."""
        if ahead < _BUSY_THRESHOLD:
            return
        kept = math.exp((self._last - now) / _MEMORY)
        self._last = now
        self._took = kept * self._took + took
        self._ahead = kept * self._ahead + ahead

    def wait(self, ahead: int) -> float:
        """Return the expected seconds in flight of a number that starts behind `ahead` others."""
        return ahead * self._took / self._ahead if ahead >= _IDLE_THRESHOLD and self._ahead else 0.0
