"""Back-off: seconds to wait after consecutive failures."""

import random
from dataclasses import dataclass

_random = random.SystemRandom()
"""Threads that wait leave the numbers of a program that seeds `random` as they are, and forks differ."""
_MAX_EXPONENT = 16
"""Failures after which the delay no longer doubles: a float would overflow after a thousand."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off.

    Attributes:
        initial: seconds; the delay's upper bound before the first doubling.
        maximum: seconds; no upper bound is larger.
        floor: seconds that are added to every delay.
        jitter: the share of a delay that is random, so that failed clients do not return together: 1 draws
            from 0 to the upper bound ("full jitter"), 0.5 from its half ("equal jitter"), 0 is the bound itself.
    """

    initial: float
    maximum: float
    floor: float = 0.0
    jitter: float = 1.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many consecutive failures, counted from 0."""
        upper = min(self.maximum, self.initial * 2.0 ** min(failures, _MAX_EXPONENT))
        return self.floor + upper * (1.0 - self.jitter * _random.random())


RECONNECT = Backoff(initial=0.1, maximum=5.0, floor=0.05)
"""Of everything that reconnects to a store or restarts a process."""


def contention_delay(attempt: int, unit: float) -> float:
    """Return the seconds to wait before writing again after a conflict: random, up to `unit` times the attempts.

    Linear, because writers in conflict finish soon: exponential delays would leave the document idle.

    Args:
        attempt: conflicts so far.
        unit: seconds.
    """
    return _random.uniform(0.0, unit * attempt)
