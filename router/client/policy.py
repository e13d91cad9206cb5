"""Decides whether a call is sent, sent again, and what its result tells the circuit breaker. Does no I/O."""

import time
from typing import Any

from router.client.options import Options
from router.client.results import Result
from router.runtime.backoff import Backoff
from router.runtime.circuit_breaker import CircuitBreaker

_RETRY_BACKOFF = Backoff(initial=0.02, maximum=0.02, jitter=0.5)
"""Before the third and later attempts.

The second is sent at once: it opens a connection where the service closed the last one, which takes less than a
millisecond at a running service. A service that is down fails all attempts within this.
"""

_MIN_TIME = 0.001
"""Seconds of a deadline below which another attempt can't bring an answer."""


class CallPolicy:
    """Retries and circuit breaker of one channel; threads may share it."""

    def __init__(self, options: Options) -> None:
        self._attempts = max(1, options.attempts)
        self._breaker = (
            CircuitBreaker(options.circuit_breaker_failures, options.circuit_breaker_reset_timeout)
            if options.circuit_breaker_failures > 0
            else None
        )

    def begin(self, deadline: float, *, is_read: bool) -> "Attempts":
        """Return the attempts of one call, which has so many seconds."""
        return Attempts(time.monotonic() + deadline, self._attempts if is_read else 1)

    def refusal(self) -> Result[Any] | None:
        """Return the result of a call that must not be sent; None: send it, and record its result."""
        if self._breaker is None or self._breaker.allows():
            return None
        return Result(status="UNAVAILABLE", message="not asked: the circuit breaker is open")

    def record(self, result: Result[Any]) -> None:
        """Tell the circuit breaker: only silence opens it, any answer closes it, a refused connection is neither."""
        if self._breaker is None:
            return
        if result.status == "DEADLINE_EXCEEDED":
            self._breaker.failed()
        elif result.status != "CANCELLED" and not result.is_retryable:
            self._breaker.succeeded()


class Attempts:
    """The attempts of one call within its deadline.

    Args:
        ends_at: monotonic seconds.
    """

    def __init__(self, ends_at: float, allowed: int) -> None:
        self._ends_at = ends_at
        self._left = allowed
        self._sent = 0

    def timeout(self) -> float:
        """Return the seconds that are left for the next attempt."""
        self._left -= 1
        self._sent += 1
        return self._ends_at - time.monotonic()

    def pause(self, result: Result[Any]) -> float | None:
        """Return the seconds to wait before another attempt; None: this result is final."""
        if self._left <= 0 or not result.is_retryable:
            return None
        delay = 0.0 if self._sent == 1 else _RETRY_BACKOFF.delay(0)
        return delay if self._ends_at - time.monotonic() - delay > _MIN_TIME else None
