"""A least-recently-used cache of a function of bytes, bounded in bytes as well as in entries."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_KEY = 256
"""Bytes of all arguments together: longer ones, thousands of times, would fill a worker's memory."""


def cached_if_short(size: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep a function's results for short arguments, and call it for long ones.

    Args:
        size: results at most.

    Returns:
        A decorator of functions whose positional arguments are all bytes.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached = cast("Callable[P, R]", lru_cache(size)(function))

        @wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            length = sum(len(each) for each in arguments if isinstance(each, bytes))
            return cached(*arguments, **named) if length <= LONGEST_KEY else function(*arguments, **named)

        return call

    return decorate
