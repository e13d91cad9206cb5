"""The grpcio call source: a grpc.aio handler queues each call and awaits its result.

The handler is the only coroutine on the path of a Lookup call; everything else runs in threads.
"""

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence

from router.server.api.call_context import CallContext
from router.server.api.status import OVERLOADED
from router.server.calls.call_source import CALL, FastPath, QueuedCall
from router.server.failure import Failure


class _PendingCall:
    """A call's result, and the future that waits for it; no future while the fast path runs."""

    __slots__ = ("future", "result")

    def __init__(self) -> None:
        self.result: bytes | Failure | None = None
        self.future: asyncio.Future[bytes | Failure] | None = None


class GrpcioCallSource:
    """Queues calls of the Lookup method; created inside the event loop that serves them.

    Args:
        max_calls: calls that may wait for their results; more are refused at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_calls: int) -> None:
        self._loop = loop
        self._max_calls = max_calls
        self._open_calls = 0
        self._queue: queue.SimpleQueue[tuple[_PendingCall, bytes, float | None]] = queue.SimpleQueue()
        self._completed: deque[_PendingCall] = deque()
        self._fast_path: FastPath = lambda calls: calls
        self._delivery_scheduled = False

    async def serve_lookup(self, request: bytes, context: CallContext) -> bytes:
        """Serve one Lookup call."""
        remaining = context.time_remaining()
        call = _PendingCall()
        if self._fast_path([_queued_call(call, request, remaining)]):
            if self._open_calls >= self._max_calls:
                result: bytes | Failure | None = OVERLOADED
            else:
                result = await self._wait_result(call, request, remaining)
        else:
            result = call.result  # a hand-over between threads costs more than the answer
        if isinstance(result, bytes):
            return result
        await _abort(context, result)
        raise AssertionError("abort raises")

    async def _wait_result(self, call: _PendingCall, request: bytes, remaining: float | None) -> bytes | Failure:
        deadline = None if remaining is None else time.monotonic() + remaining
        call.future = self._loop.create_future()
        self._queue.put((call, request, deadline))
        self._open_calls += 1
        try:
            return await call.future
        finally:
            self._open_calls -= 1

    def attach(self, fast_path: FastPath, unanswered: Callable[[], int]) -> None:
        """Run the fast path in the event loop; grpcio itself counts the running calls."""
        del unanswered
        self._fast_path = fast_path

    def take(self, max_calls: int, wait: float) -> Sequence[QueuedCall]:
        """Wait up to `wait` seconds for a call; return all queued calls, up to `max_calls`."""
        calls = []
        try:
            calls.append(self._queue.get(timeout=wait))
            while len(calls) < max_calls:
                calls.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        now = time.monotonic()
        return [
            _queued_call(call, request, None if deadline is None else deadline - now)
            for call, request, deadline in calls
        ]

    def respond(self, handle: _PendingCall, answer: bytes) -> None:
        """Send a serialised response."""
        self._set_result(handle, answer)

    def fail(self, handle: _PendingCall, failure: Failure) -> None:
        """Send a status."""
        self._set_result(handle, failure)

    def _set_result(self, call: _PendingCall, result: bytes | Failure) -> None:
        call.result = result
        if call.future is None:
            return  # the fast path runs in the event loop, which reads the result itself
        self._completed.append(call)
        # Waking the event loop costs a system call; the results of one batch share it.
        if not self._delivery_scheduled:
            self._delivery_scheduled = True
            self._loop.call_soon_threadsafe(self._deliver_results)

    def _deliver_results(self) -> None:
        self._delivery_scheduled = False
        while self._completed:
            call = self._completed.popleft()
            if call.future is not None and call.result is not None and not call.future.done():
                call.future.set_result(call.result)


def _queued_call(call: _PendingCall, request: bytes, remaining: float | None) -> QueuedCall:
    return CALL, call, 0, request, None, (None, None, remaining)


async def _abort(context: CallContext, failure: Failure | None) -> None:
    if failure is None:
        raise AssertionError("the call has no result")
    await context.abort(failure.code, failure.message, tuple(failure.trailing))
