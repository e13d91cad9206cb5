"""A call source inside of an event loop: grpc.aio's handler, HTTP, SIP and ENUM submit their lookups to one.

The event loop answers what memory holds; everything else is queued for the batcher's thread.
"""

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence

from router.lookup.queued_call import CALL, QueuedCall
from router.numbers.routes import Reason
from router.server.api.call_context import CallContext
from router.server.api.status import OVERLOADED
from router.server.calls.call_source import FastPath
from router.server.failure import Failure
from router.server.observation.calls import GrpcCalls, cancelled_status
from router.server.observation.lookups import LookupObserver
from router.server.observation.trace_context import Metadata


class _PendingCall:
    """A call's result, and the future that waits for it; no future while the fast path runs."""

    __slots__ = ("future", "metadata", "result")
    metadata: Metadata | None
    result: bytes | Failure

    def __init__(self) -> None:
        self.future: asyncio.Future[bytes | Failure] | None = None


Submitted = bytes | Failure | asyncio.Future[bytes | Failure]
"""The result of a lookup that memory holds, or the future of one that the batcher answers."""


class EventLoopCallSource:
    """Queues calls of the Lookup method; created inside the event loop that serves them.

    Args:
        max_calls: calls that may wait for their results; more are refused at once.
        observer: sees those.
    """

    watches_traceparent = False

    def __init__(self, loop: asyncio.AbstractEventLoop, max_calls: int, observer: LookupObserver) -> None:
        self._loop = loop
        self._observer = observer
        self._max_calls = max_calls
        self._open_calls = 0
        self._queue: queue.SimpleQueue[tuple[_PendingCall, bytes, float | None]] = queue.SimpleQueue()
        self._completed: deque[_PendingCall] = deque()
        self._fast_path: FastPath = lambda calls: calls
        self._delivery_scheduled = False

    def submit(self, request: bytes, remaining: float | None, metadata: Metadata | None = None) -> Submitted:
        """Return a Lookup's result where memory has it, else the future of it; called inside the event loop.

        Args:
            request: a serialised LookupRequest.
            remaining: seconds until the caller's deadline; None where it set none.
            metadata: what came with the call; None where nothing asks for it.
        """
        return self.submit_all((request,), remaining, metadata)[0]

    def submit_all(
        self, requests: Sequence[bytes], remaining: float | None, metadata: Metadata | None = None
    ) -> list[Submitted]:
        """Return what `submit` does for each of several requests; memory is asked once for all of them."""
        calls = [_PendingCall() for _ in requests]
        details = (metadata, None, remaining)
        rest = self._fast_path(
            [(CALL, call, 0, request, None, details) for call, request in zip(calls, requests, strict=True)]
        )
        for _, call, _, request, _, _ in rest:
            call.metadata = metadata
            self._enqueue(call, request, remaining)
        # A hand-over between threads costs more than an answer from memory, which needs none.
        return [call.result if call.future is None else call.future for call in calls]

    def _enqueue(self, call: _PendingCall, request: bytes, remaining: float | None) -> None:
        if self._open_calls >= self._max_calls:
            call.result = OVERLOADED
            self._observer.turned_away(Reason.OVERLOADED.value, message=OVERLOADED.message)
            return
        call.future = future = self._loop.create_future()
        self._open_calls += 1
        future.add_done_callback(self._close)
        self._queue.put((call, request, None if remaining is None else time.monotonic() + remaining))

    def _close(self, _: object) -> None:
        self._open_calls -= 1

    async def serve_lookup(self, request: bytes, context: CallContext, calls: GrpcCalls, method: str) -> bytes:
        """Serve one Lookup call over gRPC, and count it; a wrapper, as other methods have it, costs each call more."""
        began = time.perf_counter()
        calls.start(method)
        try:
            metadata = context.invocation_metadata() if self._observer.wants_metadata else None
            result = self.submit(request, context.time_remaining(), metadata)
            if isinstance(result, asyncio.Future):
                result = await result
        except asyncio.CancelledError:
            calls.end(method, cancelled_status(context.time_remaining()), time.perf_counter() - began)
            raise
        if isinstance(result, bytes):
            calls.end(method, "OK", time.perf_counter() - began)
            return result
        calls.end(method, result.code.name, time.perf_counter() - began)
        await context.abort(result.code, result.message, tuple(result.trailing))
        raise AssertionError("abort raises")

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
        handle.result = answer
        if handle.future is not None:  # the fast path runs in the event loop, which reads the result itself
            self._deliver(handle)

    def fail(self, handle: _PendingCall, failure: Failure) -> None:
        """Send a status."""
        handle.result = failure
        if handle.future is not None:
            self._deliver(handle)

    def _deliver(self, call: _PendingCall) -> None:
        self._completed.append(call)
        # Waking the event loop costs a system call; the results of one batch share it.
        if not self._delivery_scheduled:
            self._delivery_scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._deliver_results)
            except RuntimeError:  # the loop is closed: no caller is left
                self._completed.clear()

    def _deliver_results(self) -> None:
        self._delivery_scheduled = False
        while self._completed:
            call = self._completed.popleft()
            if call.future is not None and not call.future.done():
                call.future.set_result(call.result)


def _queued_call(call: _PendingCall, request: bytes, remaining: float | None) -> QueuedCall:
    return CALL, call, 0, request, None, (call.metadata, None, remaining)
