"""Durations of the requests to one store, by operation and outcome."""

import time
from collections.abc import Callable
from typing import TypeVar

from router.runtime.histograms import DURATION_BOUNDS, Histograms

Result = TypeVar("Result")

OK, FAILED = "ok", "failed"


class RequestDurations:
    """Counts requests. Thread-safe."""

    def __init__(self) -> None:
        self.histograms = Histograms(DURATION_BOUNDS)

    def end(self, operation: str, began: float, outcome: str = OK) -> None:
        """Count a request.

        Args:
            began: `time.perf_counter()` before it.
        """
        self.histograms.observe((operation, outcome), time.perf_counter() - began)

    def time(self, operation: str, act: Callable[[], Result]) -> Result:
        """Make a request that has failed where it raises."""
        began = time.perf_counter()
        try:
            result = act()
        except Exception:
            self.end(operation, began, FAILED)
            raise
        self.end(operation, began)
        return result
