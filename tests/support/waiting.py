"""Waiting for something to become true, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], seconds: float = 10.0, *, every: float = 0.02) -> T:
    """The first true answer of `look`; fails with the last one when none comes in time."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"still {seen!r} after {seconds} s")
        time.sleep(every)
