"""How long a number that has to be read now will wait, learned from those that were read."""

_FEW = 32
"""Numbers in the air that are never too many: a store at rest tells nothing about a busy one."""
_BUSY = 16
"""Numbers in the air from which on a landing tells something: below, one read's own time is all there is."""
_WEIGHT = 0.05
"""Of each landing, against all before it."""


class Pace:
    """Seconds that each number in the air adds to the wait of the next (Little's law). Not locked: its owner is."""

    def __init__(self) -> None:
        self._each = 0.0

    def landed(self, took: float, ahead: int) -> None:
        """One landed after so many seconds; so many were in the air when it took off."""
        if ahead >= _BUSY:
            self._each += _WEIGHT * (took / ahead - self._each)

    def wait(self, ahead: int) -> float:
        """Seconds that one will be in the air that takes off now, behind so many."""
        return ahead * self._each if ahead >= _FEW else 0.0
