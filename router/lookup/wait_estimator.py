"""How long a number that has to be read now will wait, learned from those that were read."""

import math

_FEW = 32
"""Numbers in the air that are never too many: a store at rest tells nothing about a busy one."""
_BUSY = 16
"""Numbers in the air from which on a landing tells something: below, one read's own time is all there is."""
_MEMORY = 0.5
"""Seconds after which what was learned counts for a third of what is learned then: some reads of a busy store, however
many numbers each of them brings."""


class WaitEstimator:
    """Seconds that each number in the air adds to the wait of the next (Little's law). Not locked: its owner is."""

    def __init__(self) -> None:
        self._took = 0.0
        self._ahead = 0.0
        self._last = 0.0

    def landed(self, took: float, ahead: int, now: float) -> None:
        """One landed after so many seconds; so many were in the air when it took off."""
        if ahead < _BUSY:
            return
        kept = math.exp((self._last - now) / _MEMORY)
        self._last = now
        self._took = kept * self._took + took
        self._ahead = kept * self._ahead + ahead

    def wait(self, ahead: int) -> float:
        """Seconds that one will be in the air that takes off now, behind so many."""
        return ahead * self._took / self._ahead if ahead >= _FEW and self._ahead else 0.0
