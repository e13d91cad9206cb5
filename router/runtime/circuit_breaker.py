"""A circuit breaker: a store that fails is left alone for a moment instead of being waited for by every call."""

import threading
import time


class CircuitBreaker:
    """Closed until `failures` in a row; then open for `pause` seconds; then one try decides.

    With an endless pause it stays open until somebody who looks after the store says that it answers.
    Threads share it.
    """

    def __init__(self, failures: int, pause: float) -> None:
        self._limit = failures
        self._pause = pause
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store is being left alone now."""
        return self._failures >= self._limit and time.monotonic() < self._closed_again

    def allows(self) -> bool:
        """Whether to try; while the breaker is half open, one caller is let through at a time."""
        if self._failures < self._limit:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._closed_again:
                return False
            # The one that goes now is the probe; the others wait for what becomes of it.
            self._closed_again = now + self._pause
            return True

    def succeeded(self) -> None:
        """The store answered."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> bool:
        """The store did not answer; returns whether the breaker opened just now."""
        with self._lock:
            self._failures += 1
            self._closed_again = time.monotonic() + self._pause
            return self._failures == self._limit
