"""The batcher: takes all calls that wait at a call source, and answers them together."""

import logging
import time
from collections.abc import Sequence

import grpc
from google.protobuf.message import DecodeError

from router.lookup.engine import LookupEngine
from router.lookup.queued_call import CALL, HANDLE, CallHandle, QueuedCall
from router.near_cache.cache import NearEntry
from router.numbers.routes import Refused
from router.runtime.background_thread import BackgroundThread
from router.runtime.cpu_affinity import pinned_to
from router.server.api.consistency import UnknownConsistencyError, is_authoritative
from router.server.api.limits import MAX_MESSAGE_BYTES
from router.server.api.status import EXPIRED, failure_of
from router.server.calls.admission import Admission
from router.server.calls.call_source import CallSource
from router.server.failure import BROKEN, Failure
from router.server.observation.lookups import (
    INVALID_ARGUMENT,
    NEAR_CACHE,
    ROUTE,
    LookupObserver,
    ObservedCall,
    result_of,
)
from router.server.observation.observation import Observation
from router.server.observation.trace_context import Metadata
from router.server.observation.tracing import Trace, Tracer
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_TAKE_TIMEOUT = 0.1
"""Seconds that an idle batcher waits for a call before it checks for its stop."""

_MAX_TRACES = 10_000
"""Traces of calls on their way; those of calls that were refused under overload stay until there are so many."""

_MALFORMED = Failure(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a router.v1.LookupRequest")
_TOO_LONG = Failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED, f"the request is longer than {MAX_MESSAGE_BYTES} bytes: it is no LookupRequest"
)


class UnaryCall(ObservedCall):
    """A unary call of a call source; it counts as unanswered until it has a response."""

    __slots__ = ("_source", "_unanswered", "handle")

    def __init__(
        self,
        source: CallSource,
        handle: CallHandle,
        raw: bytes,
        timeout: float,
        unanswered: "set[UnaryCall]",
        observer: LookupObserver,
        metadata: Metadata | None = None,
    ) -> None:
        request = pb.LookupRequest.FromString(raw)
        began = time.monotonic()
        super().__init__(
            observer,
            request.number,
            request.dial_plan,
            began + timeout,
            authoritative=is_authoritative(request),
            began=began,
            raw=raw,
            metadata=metadata,
        )
        self._source = source
        self.handle = handle
        self._unanswered = unanswered
        unanswered.add(self)

    def expire(self) -> None:
        """Respond with DEADLINE_EXCEEDED."""
        self.fail(EXPIRED)

    def fail(self, failure: Failure) -> None:
        """Respond with a status that is no refusal; a call that has a response already gets no other."""
        if self in self._unanswered:
            self._observer.failed(self, failure.code.name, failure.message)
            self._send_failure(failure)

    def _send_route(self, answer: bytes) -> None:
        self._source.respond(self.handle, answer)
        self._unanswered.discard(self)

    def _send_refusal(self, refusal: Refused) -> None:
        self._send_failure(failure_of(refusal))

    def _send_failure(self, failure: Failure) -> None:
        self._source.fail(self.handle, failure)
        self._unanswered.discard(self)


class Batcher:
    """Takes calls from a call source and answers them, in its own thread.

    Args:
        batch_size: maximum number of calls taken together.
        max_waiting: calls that may wait behind a batch; more are refused.
        default_timeout: seconds for calls without a deadline of their own.
        observation: what counts the calls.
        protocol: the way in which the calls come.
        core: pins the thread; None for any core.
        name: of the thread.
    """

    def __init__(
        self,
        source: CallSource,
        lookup: LookupEngine,
        *,
        name: str = "batcher",
        batch_size: int,
        max_waiting: int,
        default_timeout: float,
        observation: Observation,
        protocol: str,
        core: int | None = None,
    ) -> None:
        self._source = source
        self._lookup = lookup
        self._batches = observation.batches_over(protocol)
        self._observer = observation.lookups_over(protocol)
        self._admission = Admission(
            source,
            batch_size=batch_size,
            max_waiting=max_waiting,
            fast_path=self._answer_from_memory,
            observer=self._observer,
        )
        self._default_timeout = default_timeout
        self._core = core
        self._unanswered: set[UnaryCall] = set()
        self._traces: dict[CallHandle, Trace] = {}
        source.attach(self._answer_from_memory, lambda: self.waiting)
        observation.waiting[protocol] = lambda: self.waiting
        self._thread = BackgroundThread(
            name, self._take_until_stopped, failing="taking calls failed", interval=0.0, log=log
        )

    @property
    def waiting(self) -> int:
        """Calls that were taken and have no response yet."""
        return len(self._unanswered) + self._admission.waiting

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the taken calls are answered or handed on."""
        self._thread.stop()
        self._thread.join(5)

    def _take_until_stopped(self) -> None:
        with pinned_to(self._core):
            while not self._thread.stopping:
                calls = self._admission.take(_TAKE_TIMEOUT)
                if not calls:
                    continue
                began = time.perf_counter()
                if rest := self._answer_from_memory(calls):
                    self._answer(rest)
                self._batches.add(len(calls), time.perf_counter() - began)

    def _answer_from_memory(self, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Answer the calls that memory has the response of; return the rest."""
        tracer = self._observer.tracer
        return self._answer_known(calls) if tracer is None else self._answer_traced(tracer, calls)

    def _answer_traced(self, tracer: Tracer, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Like `_answer_known`, with spans for the calls that get one."""
        chosen = tracer.choose(calls, by_client=self._source.watches_traceparent)
        if not chosen:
            return self._answer_known(calls)
        new = {call[HANDLE]: trace for call, trace in chosen if call[HANDLE] not in self._traces}
        if len(self._traces) > _MAX_TRACES:
            self._traces.clear()
        self._traces.update(new)
        rest = self._answer_known(calls)
        waiting = {call[HANDLE] for call in rest} if new else set()
        for handle in new:
            if handle in waiting:
                self._traces[handle].step(NEAR_CACHE)
            elif trace := self._traces.pop(handle, None):
                self._observer.near_span(trace, ROUTE, "")
        return rest

    def _answer_known(self, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Answer the calls whose exact request bytes are in the near cache; return the rest.

        Nearly every call takes this path.
        """
        lookup = self._lookup
        rest, routed = lookup.near_cache.resolve_requests(calls, lookup.trust, self._source.respond, self._refuse_again)
        if routed:
            self._observer.near_routes(routed)
            if self._observer.recorder.takes_sample(routed):
                self._record_sample(calls, rest)
        return rest

    def _record_sample(self, calls: Sequence[QueuedCall], rest: Sequence[QueuedCall]) -> None:
        """Log one of the calls that were answered from memory."""
        others = {handle for _, handle, *_ in rest}
        for _, handle, _, raw, *_ in calls:
            if handle not in others:
                request = pb.LookupRequest.FromString(raw)
                self._observer.near_sample(request.number, request.dial_plan)
                return

    def _refuse_again(self, handle: CallHandle, entry: NearEntry) -> None:
        if entry.prepared is None:
            entry.prepared = failure_of(entry.refusal)
        self._observer.near_refusal(entry.refusal)
        if self._traces and (trace := self._traces.pop(handle, None)):
            self._observer.near_span(trace, result_of(entry.refusal.reason), entry.refusal.reason.value)
        self._source.fail(handle, entry.prepared)

    def _answer(self, queued: Sequence[QueuedCall]) -> None:
        calls = [call for call in map(self._parse, queued) if call is not None]
        try:
            self._lookup.answer(calls)
        except Exception:
            # Never observed. The callers must not wait for their deadlines because of it, and the loop must go on.
            log.exception("answering failed: calls=%d", len(calls))
            for call in calls:
                call.fail(BROKEN)

    def _parse(self, queued: QueuedCall) -> UnaryCall | None:
        """Parse the request; respond with a status, and return None, where that fails."""
        kind, handle, _, request, _, details = queued
        if kind != CALL:
            return None
        metadata, _, remaining = details
        if len(request) > MAX_MESSAGE_BYTES:  # the native source accepts messages of any length
            self._refuse_invalid(handle, _TOO_LONG)
            return None
        timeout = self._default_timeout if remaining is None else remaining
        try:
            call = UnaryCall(self._source, handle, request, timeout, self._unanswered, self._observer, metadata)
        except DecodeError:
            self._refuse_invalid(handle, _MALFORMED)
            return None
        except UnknownConsistencyError as problem:
            self._refuse_invalid(handle, problem.failure)
            return None
        if self._traces:
            call.trace = self._traces.pop(handle, None)
        return call

    def _refuse_invalid(self, handle: CallHandle, failure: Failure) -> None:
        self._observer.turned_away(INVALID_ARGUMENT, message=failure.message)
        self._source.fail(handle, failure)
