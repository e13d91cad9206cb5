"""Circuit breaker: calls do not wait for a store that fails."""

import threading
import time


class CircuitBreaker:
    """Opens for `reset_timeout` seconds after `failures` consecutive ones; then a trial decides whether it closes.

    Threads share it.
    """

    def __init__(self, failures: int, reset_timeout: float) -> None:
        self._limit = failures
        self._reset_timeout = reset_timeout
        self._lock = threading.Lock()
        self._failures = 0
        self._trial_at = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether requests are refused now."""
        return self._failures >= self._limit and time.monotonic() < self._trial_at

    def allows(self) -> bool:
        """Return whether to send a request; where a trial is possible, one caller at a time gets True."""
        if self._failures < self._limit:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._trial_at:
                return False
            # This caller's request is the trial; the others wait for its result.
            self._trial_at = now + self._reset_timeout
            return True

    def succeeded(self) -> None:
        """Record that the store responded."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> bool:
        """Record that the store did not respond; return whether that opened the breaker."""
        with self._lock:
            self._failures += 1
            self._trial_at = time.monotonic() + self._reset_timeout
            return self._failures == self._limit
