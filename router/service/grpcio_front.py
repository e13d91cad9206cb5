"""The grpcio front: a grpc.aio handler queues each call and awaits its answer.

asyncio lives in here alone: the handler is the only thing that awaits.
"""

import asyncio
import queue
import time
from collections import deque
from typing import Any

import grpc

from router.service.front import Failure, Taken


class GrpcioFront:
    """Calls of the Lookup method; made inside the event loop that serves them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[Taken] = queue.SimpleQueue()
        self._answers: deque[tuple[asyncio.Future[bytes | Failure], bytes | Failure]] = deque()
        self._delivery_planned = False

    async def handle(self, request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Serve one Lookup call."""
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        answer: asyncio.Future[bytes | Failure] = self._loop.create_future()
        self._queue.put((answer, request, deadline))
        said = await answer
        if isinstance(said, bytes):
            return said
        await context.abort(said.code, said.message, tuple(said.trailing))
        raise AssertionError("abort raises")

    def take(self, most: int, wait: float) -> list[Taken]:
        """Wait for a call; return all that wait."""
        taken: list[Taken] = []
        try:
            taken.append(self._queue.get(timeout=wait))
            while len(taken) < most:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return taken

    def respond(self, ticket: Any, answer: bytes) -> None:
        """Send an answer."""
        self._deliver(ticket, answer)

    def fail(self, ticket: Any, failure: Failure) -> None:
        """Send a status."""
        self._deliver(ticket, failure)

    def _deliver(self, ticket: Any, said: bytes | Failure) -> None:
        self._answers.append((ticket, said))
        # Waking the event loop costs a system call; answers of one batch share it.
        if not self._delivery_planned:
            self._delivery_planned = True
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._delivery_planned = False
        while self._answers:
            ticket, said = self._answers.popleft()
            if not ticket.done():
                ticket.set_result(said)
