"""Threads for what an event loop can't wait for itself, and a bound for what waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BoundedExecutor:
    """Used inside one event loop.

    Args:
        most: of whatever is weighed that may wait or be worked on; one piece is let in whatever it weighs.
    """

    def __init__(self, name: str, threads: int, most: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = most
        self._inside = 0

    def has_room(self, weight: int) -> bool:
        """Whether so much more may wait."""
        return not self._inside or self._inside + weight <= self._most

    async def run(self, weight: int, act: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Do it in a thread; None when nobody waited for it any more before it began.

        What is given up weighs until a thread has come by it: it lies in the line until then.
        """
        gone = False

        def work() -> T | None:
            return None if gone else act(*arguments, **named)

        def leave(done: asyncio.Future[T | None]) -> None:
            self._inside -= weight
            if not done.cancelled():
                done.exception()  # somebody else's to tell, if there is anybody

        self._inside += weight
        working = asyncio.get_running_loop().run_in_executor(self._pool, work)
        working.add_done_callback(leave)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            gone = True
            raise
