"""The grpcio front: a grpc.aio handler queues each call and awaits its answer.

asyncio lives in here alone: the handler is the only thing that awaits.
"""

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from router.server.api.status import OVERLOADED
from router.server.calls.call_source import CALL, Failure, Nearby, Taken


class _Waiting:
    """A call: what was said, and the future that waits for it when it was not said at once."""

    __slots__ = ("future", "said")

    def __init__(self) -> None:
        self.said: bytes | Failure | None = None
        self.future: asyncio.Future[bytes | Failure] | None = None


class GrpcioFront:
    """Calls of the Lookup method; made inside the event loop that serves them.

    Args:
        most: calls that may wait for their answers; more are refused at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._open = 0
        self._queue: queue.SimpleQueue[tuple[_Waiting, bytes, float | None]] = queue.SimpleQueue()
        self._answers: deque[_Waiting] = deque()
        self._nearby: Nearby = lambda calls: calls
        self._delivery_planned = False

    async def handle(self, request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Serve one Lookup call."""
        remaining = context.time_remaining()
        waiting = _Waiting()
        if self._nearby([_taken(waiting, request, remaining)]):
            if self._open >= self._most:
                said: bytes | Failure | None = OVERLOADED
            else:
                said = await self._said_later(waiting, request, remaining)
        else:
            said = waiting.said  # a hand-over between threads costs more than the answer
        if isinstance(said, bytes):
            return said
        await _abort(context, said)
        raise AssertionError("abort raises")

    async def _said_later(self, waiting: _Waiting, request: bytes, remaining: float | None) -> bytes | Failure:
        deadline = None if remaining is None else time.monotonic() + remaining
        waiting.future = self._loop.create_future()
        self._queue.put((waiting, request, deadline))
        self._open += 1
        try:
            return await waiting.future
        finally:
            self._open -= 1

    def attach(self, nearby: Nearby, unanswered: Callable[[], int]) -> None:
        """Look nearby in the event loop already; grpcio itself knows which calls run."""
        del unanswered
        self._nearby = nearby

    def take(self, most: int, wait: float) -> Sequence[Taken]:
        """Wait for a call; return all that wait."""
        waiting = []
        try:
            waiting.append(self._queue.get(timeout=wait))
            while len(waiting) < most:
                waiting.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        now = time.monotonic()
        return [
            _taken(call, request, None if deadline is None else deadline - now) for call, request, deadline in waiting
        ]

    def respond(self, ticket: _Waiting, answer: bytes) -> None:
        """Send an answer."""
        self._deliver(ticket, answer)

    def fail(self, ticket: _Waiting, failure: Failure) -> None:
        """Send a status."""
        self._deliver(ticket, failure)

    def _deliver(self, ticket: _Waiting, said: bytes | Failure) -> None:
        ticket.said = said
        if ticket.future is None:
            return  # answered in the event loop, before anybody waits
        self._answers.append(ticket)
        # Waking the event loop costs a system call; answers of one batch share it.
        if not self._delivery_planned:
            self._delivery_planned = True
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._delivery_planned = False
        while self._answers:
            ticket = self._answers.popleft()
            if ticket.future is not None and ticket.said is not None and not ticket.future.done():
                ticket.future.set_result(ticket.said)


def _taken(waiting: _Waiting, request: bytes, remaining: float | None) -> Taken:
    return CALL, waiting, 0, request, None, (None, None, remaining)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], failure: Failure | None) -> None:
    if failure is None:
        raise AssertionError("nothing was said")
    await context.abort(failure.code, failure.message, tuple(failure.trailing))
