"""A least-recently-used cache of a function of texts, bounded in bytes as well as in entries."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_KEY = 256
"""Bytes or characters of all arguments together: longer ones, thousands of times, would fill a worker's memory."""


def cached_if_short(size: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep a function's results for short arguments, and call it for long ones.

    Args:
        size: results at most.

    Returns:
        A decorator of functions that are called with positional arguments alone, each of bytes or text.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached = lru_cache(size)(function)

        def call(*arguments: bytes | str) -> R:
            return cached(*arguments) if sum(map(len, arguments)) <= LONGEST_KEY else uncached(*arguments)

        uncached = cast("Callable[..., R]", function)
        return cast("Callable[P, R]", wraps(function)(call))

    return decorate
