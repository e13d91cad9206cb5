"""A thread pool for an event loop, with a bound on the work that waits for a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BoundedExecutor:
    """Runs functions in threads. Used inside one event loop.

    Args:
        name: opens the threads' names.
        threads: their number.
        max_weight: sum of the weights that may wait or run; a single job is admitted whatever its weight.
    """

    def __init__(self, name: str, threads: int, max_weight: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._max_weight = max_weight
        self._weight = 0

    def has_room(self, weight: int) -> bool:
        """Return whether a job of this weight is admitted now."""
        return not self._weight or self._weight + weight <= self._max_weight

    async def run(self, weight: int, act: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Run a function in a thread.

        A cancelled job keeps its weight until a thread has taken it from the queue.

        Returns:
            Its result; None where the caller was cancelled before a thread was free.
        """
        cancelled = False

        def work() -> T | None:
            return None if cancelled else act(*arguments, **named)

        def release(done: asyncio.Future[T | None]) -> None:
            self._weight -= weight
            if not done.cancelled():
                done.exception()  # read, so that asyncio does not log it: the caller reports it

        self._weight += weight
        working = asyncio.get_running_loop().run_in_executor(self._pool, work)
        working.add_done_callback(release)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled = True
            raise
