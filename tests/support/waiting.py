"""Waiting for something to become true, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    look: Callable[[], T | None],
    seconds: float = 15.0,
    *,
    every: float = 0.02,
    passing: tuple[type[Exception], ...] = (),
) -> T:
    """Return the first true result of `look`.

    Args:
        every: seconds between two looks.
        passing: exceptions that count as not yet.

    Raises:
        AssertionError: there was none in time; with the last result.
    """
    end = time.monotonic() + seconds
    while True:
        seen: object
        try:
            found = seen = look()
        except passing as problem:
            found, seen = None, problem
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"still {seen!r} after {seconds} s")
        time.sleep(every)
