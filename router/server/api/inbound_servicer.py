"""Serves InboundRouter's LookupBatch, LookupStream and Explain."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import grpc

from router.entries.codec import refusal_message
from router.lookup.engine import LookupEngine
from router.lookup.explain import Explainer
from router.numbers.routes import Reason, Refused
from router.runtime.bounded_executor import BoundedExecutor
from router.server.api import framing
from router.server.api.call_context import CallContext
from router.server.api.consistency import UnknownConsistencyError, is_authoritative
from router.server.api.status import EXPIRED, OVERLOADED
from router.server.observation.call_traces import CallTrace, Turn
from router.server.observation.lookups import (
    INVALID_ARGUMENT,
    LOOKUP_BATCH,
    LOOKUP_STREAM,
    LookupObserver,
    ObservedCall,
)
from router.server.observation.trace_context import Metadata
from router.v1 import inbound_pb2 as pb

MAX_BATCH_SIZE = 1000
_MAX_IN_FLIGHT = 1000
"""Numbers of one stream that may be without a sent outcome; above that the stream is not read (flow control)."""

_LARGE_BATCH = 100
"""Numbers. Larger batches have a thread and room of their own, so that a smaller one never waits behind them: the 100
calls of 1,000 numbers that one connection may have open are a second of work and more. With two such threads a small
batch missed a deadline of a second in two of six runs on a busy machine; with one, in none of three."""
_SLICE = 50
"""Calls that a thread makes of a batch until it yields the interpreter's lock. By itself Python has the event
loop wait 5 ms for the lock in each of its steps, and each other call takes several."""
_THREADS, _LARGE_BATCH_THREADS, _EXPLAIN_THREADS = 4, 1, 2
_MAX_EXPLAIN_CALLS = 32
"""Explain calls at a time: each reads every store, and people make few of them."""

Context = CallContext


class OutcomeCall(ObservedCall):
    """A lookup whose result is a serialised LookupOutcome, delivered to the event loop."""

    __slots__ = ("_deliver",)

    def __init__(
        self,
        request: pb.LookupRequest,
        deadline: float,
        deliver: Callable[[bytes], None],
        observer: LookupObserver,
        began: float,
        metadata: Metadata | None = None,
        turn: Turn | None = None,
    ) -> None:
        super().__init__(
            observer,
            request.number,
            request.dial_plan,
            deadline,
            authoritative=is_authoritative(request),
            began=began,
            metadata=metadata,
        )
        self._deliver = deliver
        self.trace = turn

    def expire(self) -> None:
        """Deliver NUMBER_DATABASE_UNAVAILABLE: the deadline passed before the database answered."""
        self.refuse(Refused(Reason.NUMBER_DATABASE_UNAVAILABLE, self.e164 or "", message="no time left"))

    def _send_route(self, answer: bytes) -> None:
        self._deliver(framing.routed(answer))

    def _send_refusal(self, refusal: Refused) -> None:
        self._deliver(framing.refused(refusal_message(refusal).SerializeToString()))


class _BatchOutcomes:
    """Collects the outcomes of one LookupBatch, which several threads may deliver.

    Args:
        complete: receives the serialised LookupBatchResponse, once, in the thread that delivers the last outcome.
    """

    def __init__(self, count: int, complete: Callable[[bytes], None]) -> None:
        self._outcomes = [b""] * count
        self._left = count
        self._lock = threading.Lock()
        self._complete = complete

    def put(self, index: int, outcome: bytes) -> None:
        """Store the serialised outcome of the index-th lookup."""
        self._outcomes[index] = outcome
        with self._lock:
            self._left -= 1
            left = self._left
        if not left:
            self._complete(framing.batch(self._outcomes))


class InboundServicer:
    """Serves LookupBatch, LookupStream and Explain in the event loop; threads do the work.

    Args:
        max_waiting: numbers of LookupBatch calls that wait for a thread or are in one; more are refused. Large batches
            and others are counted separately.
        default_timeout: seconds for calls without a deadline of their own.
        observer: sees the lookups. A call that is refused as a whole counts all of its lookups.
    """

    def __init__(
        self,
        lookup: LookupEngine,
        explainer: Explainer,
        *,
        max_waiting: int,
        default_timeout: float,
        observer: LookupObserver,
    ) -> None:
        self._observer = observer
        self._lookup = lookup
        self._explainer = explainer
        self._default_timeout = default_timeout
        self._threads = BoundedExecutor("inbound-servicer", _THREADS, max_waiting)
        self._large_batches = BoundedExecutor("large-batches", _LARGE_BATCH_THREADS, max_waiting)
        self._explaining = BoundedExecutor("explainer", _EXPLAIN_THREADS, _MAX_EXPLAIN_CALLS)

    async def batch(self, request: pb.LookupBatchRequest, context: Context) -> bytes:
        """Serve LookupBatch."""
        count = len(request.lookups)
        if count > MAX_BATCH_SIZE:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{count} numbers in a batch, at most {MAX_BATCH_SIZE}: send several batches, or a stream",
            )
        metadata = self._metadata(context)
        with self._observer.call_span(LOOKUP_BATCH, metadata, count) as trace:
            try:
                return await self._batch(request, context, metadata, trace)
            except UnknownConsistencyError as problem:
                failure = problem.failure
        self._observer.turned_away(INVALID_ARGUMENT, count, message=failure.message)
        return await context.abort(failure.code, failure.message)

    async def _batch(
        self, request: pb.LookupBatchRequest, context: Context, metadata: Metadata | None, trace: CallTrace | None
    ) -> bytes:
        count = len(request.lookups)
        threads = self._threads if count <= _LARGE_BATCH else self._large_batches
        if not threads.has_room(count):
            self._observer.turned_away(Reason.OVERLOADED.value, count, message=OVERLOADED.message)
            await _refuse(context)
        if not count:
            return b""
        loop = asyncio.get_running_loop()
        response: asyncio.Future[bytes] = loop.create_future()
        outcomes = _BatchOutcomes(count, partial(_soon, loop, _resolve, response))
        turn = None if trace is None else trace.turn(count)
        await threads.run(count, self._answer_batch, request, self._deadline(context), outcomes, metadata, turn)
        return await response

    def _answer_batch(
        self,
        request: pb.LookupBatchRequest,
        deadline: float,
        outcomes: _BatchOutcomes,
        metadata: Metadata | None,
        turn: Turn | None,
    ) -> None:
        """Look a batch up, in a thread: meanwhile the event loop serves other calls."""
        calls = []
        began = time.monotonic()
        for index, each in enumerate(request.lookups):
            if not index % _SLICE:
                time.sleep(0)
            calls.append(
                OutcomeCall(each, deadline, partial(outcomes.put, index), self._observer, began, metadata, turn)
            )
        self._lookup.answer(calls)

    async def stream(self, requests: AsyncIterator[pb.LookupStreamRequest], context: Context) -> AsyncIterator[bytes]:
        """Serve LookupStream: yield outcomes as they are found, in any order."""
        metadata = self._metadata(context)
        with self._observer.call_span(LOOKUP_STREAM, metadata) as trace:
            stream = _Stream(
                self._lookup, self._threads, lambda: self._deadline(context), self._observer, metadata, trace
            )
            reading = asyncio.create_task(stream.read(requests))
            try:
                while (outcome := await stream.next_outcome()) is not None:
                    yield outcome
                await reading
            except UnknownConsistencyError as problem:  # after the outcomes of earlier requests
                failure = problem.failure
            else:
                return
            finally:
                reading.cancel()
        self._observer.turned_away(INVALID_ARGUMENT, message=failure.message)
        await context.abort(failure.code, failure.message)

    def _metadata(self, context: Context) -> Metadata | None:
        return context.invocation_metadata() if self._observer.wants_metadata else None

    async def explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        """Serve Explain."""
        try:
            is_authoritative(request.lookup)
        except UnknownConsistencyError as problem:
            await context.abort(problem.failure.code, problem.failure.message)
        remaining = context.time_remaining()
        if remaining is not None and remaining <= 0:
            await context.abort(EXPIRED.code, EXPIRED.message)
        if not self._explaining.has_room(1):
            await _refuse(context)
        explanation = await self._explaining.run(1, self._explainer.explain, request.lookup, self._deadline(context))
        if explanation is None:
            return pb.ExplainResponse()  # its caller no longer waits
        explanation.protocol = self._observer.protocol
        return explanation

    def _deadline(self, context: Context) -> float:
        remaining = context.time_remaining()
        return time.monotonic() + (self._default_timeout if remaining is None else min(remaining, 3600.0))


class _Stream:
    """One LookupStream: collects requests while a batch is being answered, and returns outcomes."""

    def __init__(
        self,
        lookup: LookupEngine,
        threads: BoundedExecutor,
        deadline: Callable[[], float],
        observer: LookupObserver,
        metadata: Metadata | None,
        trace: CallTrace | None,
    ) -> None:
        self._lookup = lookup
        self._metadata = metadata
        self._trace = trace
        self._observer = observer
        self._threads = threads
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_MAX_IN_FLIGHT)
        self._outcomes: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting: list[OutcomeCall] = []
        self._worker: asyncio.Task[None] | None = None
        self._open = 0
        self._ended = False

    async def read(self, requests: AsyncIterator[pb.LookupStreamRequest]) -> None:
        """Read requests until the caller ends the stream."""
        try:
            async for request in requests:
                await self._room.acquire()
                call = self._call(request)  # raises for an invalid request, which never counts as open
                self._open += 1
                self._waiting.append(call)
                if self._worker is None:
                    self._worker = self._loop.create_task(self._work())
        finally:  # also when the stream breaks off
            self._ended = True
            self._end_if_done()

    async def next_outcome(self) -> bytes | None:
        """Return the next outcome; None after the last one."""
        outcome = await self._outcomes.get()
        if outcome is not None:
            self._room.release()  # only now, so that a caller that reads no outcomes is not read from
        return outcome

    async def _work(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting, []
                if self._trace is not None:
                    turn = self._trace.turn(len(calls))
                    for call in calls:
                        call.trace = turn
                await self._threads.run(0, self._lookup.answer, calls)  # bounded by the requests that are read
        finally:
            self._worker = None

    def _call(self, request: pb.LookupStreamRequest) -> OutcomeCall:
        identifier = request.id
        return OutcomeCall(
            request.lookup,
            self._deadline(),
            lambda outcome: _soon(self._loop, self._put, framing.streamed(identifier, outcome)),
            self._observer,
            time.monotonic(),
            self._metadata,
        )

    def _put(self, outcome: bytes) -> None:
        self._outcomes.put_nowait(outcome)
        self._open -= 1
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._ended and not self._open:
            self._outcomes.put_nowait(None)


def _resolve(response: asyncio.Future[bytes], content: bytes) -> None:
    if not response.done():  # its caller may have left
        response.set_result(content)


async def _refuse(context: Context) -> None:
    await context.abort(OVERLOADED.code, OVERLOADED.message, tuple(OVERLOADED.trailing))


def _soon(loop: asyncio.AbstractEventLoop, act: Callable[..., None], *arguments: Any) -> None:
    """Call `act` in the event loop; after its end no caller is left, and nothing happens."""
    try:
        loop.call_soon_threadsafe(act, *arguments)
    except RuntimeError:
        return
