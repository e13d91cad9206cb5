"""How long to wait before trying again: longer each time, never all at once."""

import random

FIRST, LONGEST = 0.1, 5.0
_STEEPEST = 16


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: exponential, with full jitter above the first."""
    ceiling = min(LONGEST, FIRST * 2.0 ** min(failures, _STEEPEST))
    return FIRST / 2 + random.uniform(0.0, ceiling)  # noqa: S311 - nothing secret
