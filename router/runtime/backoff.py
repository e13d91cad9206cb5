"""How long to wait before trying again: longer each time, never all at once."""

import random

INITIAL_DELAY, MAX_DELAY = 0.1, 5.0
_STEEPEST = 16


def backoff_delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row: exponential, with full jitter above the first."""
    ceiling = min(MAX_DELAY, INITIAL_DELAY * 2.0 ** min(failures, _STEEPEST))
    return INITIAL_DELAY / 2 + random.uniform(0.0, ceiling)  # noqa: S311 - nothing secret
