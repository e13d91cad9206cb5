"""Observes the lookups of one protocol (the way in which they came): counts each once, and records some of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from router.entries.codec import source_of
from router.lookup.call import Call
from router.numbers.routes import Reason, Refused
from router.runtime.counters import LabelledCounters
from router.server.observation.call_records import CallLog, CallRecord, RecentCalls, now, presentable
from router.server.observation.call_traces import CallTrace, Turn
from router.server.observation.steps import Step
from router.server.observation.trace_context import Metadata, context_of
from router.server.observation.tracing import FinishedTrace, Trace, Tracer

NEAR_CACHE, REDIS, NUMBER_DATABASE, PORT_REQUEST = "near_cache", "redis", "number_database", "port_request"
NONE = "none"
"""Sources of a response."""
ROUTE, REFUSAL, FAILED, INVALID = "route", "refusal", "failed", "invalid"
"""Results of a lookup."""
INVALID_ARGUMENT = "INVALID_ARGUMENT"

_SOURCES = {1: NEAR_CACHE, 2: REDIS, 3: NUMBER_DATABASE, 4: PORT_REQUEST}
"""By the number of `router.v1.Source`."""
_STEPS = {NUMBER_DATABASE: "couchdb", PORT_REQUEST: "redis"}
"""Names of spans for sources whose store is called otherwise."""
_ATTRIBUTES = ("did_router.protocol", "did_router.result", "did_router.reason", "did_router.source")
_SPAN_NAMES = {
    "grpc": "router.v1.InboundRouter/Lookup",
    "http": "GET /v1/lookup/{number}",
    "sip": "INVITE",
    "enum": "NAPTR",
}
LOOKUP, LOOKUP_BATCH, LOOKUP_STREAM = "Lookup", "LookupBatch", "LookupStream"
"""Methods that get spans."""
_HTTP_BATCH = "POST /v1/lookups"
_RPC = {"rpc.system": "grpc", "rpc.service": "router.v1.InboundRouter"}
_FAILURES = frozenset((Reason.NUMBER_DATABASE_UNAVAILABLE, Reason.OVERLOADED))
"""Refusals that say that the service could not answer."""


def result_of(reason: Reason) -> str:
    """Return the label of a refusal's result."""
    return FAILED if reason in _FAILURES else REFUSAL


class Recorder:
    """Decides which lookups of a worker are recorded.

    Args:
        slow_call: seconds after which a lookup counts as slow.
        call_log: None: no lookups are logged.
        logs_refused, logs_slow: refused and slow lookups are logged.
        sample_every: one in so many lookups is logged; 0 for none.
    """

    def __init__(
        self,
        *,
        slow_call: float,
        call_log: CallLog | None = None,
        logs_refused: bool = False,
        logs_slow: bool = False,
        sample_every: int = 0,
    ) -> None:
        self.recent = RecentCalls()
        self.slow_call = slow_call
        self._call_log = call_log
        self._logs_refused = logs_refused
        self._logs_slow = logs_slow
        self.sample_every = sample_every
        self._until_sample = sample_every

    @property
    def writes_log(self) -> bool:
        """Return whether any lookup is logged."""
        return self._call_log is not None

    def refused(self, record: CallRecord) -> None:
        """Keep a refused lookup."""
        self.recent.add(record)
        if self._call_log is not None and self._logs(record):
            self._call_log.add(record)

    def slow(self, record: CallRecord) -> None:
        """Keep a slow route."""
        self.recent.add(record)
        if self._call_log is not None and self._logs_slow:
            self._call_log.add(record)

    def _logs(self, record: CallRecord) -> bool:
        is_slow = self._logs_slow and record.seconds is not None and record.seconds > self.slow_call
        return self._logs_refused or is_slow or self.takes_sample(record.calls)

    def sampled(self, record: CallRecord) -> None:
        """Log a lookup that `takes_sample` chose."""
        if self._call_log is not None:
            self._call_log.add(record)

    def takes_sample(self, calls: int = 1) -> bool:
        """Return whether one of the next so many lookups is to be logged."""
        if not self.sample_every:
            return False
        self._until_sample -= calls
        if self._until_sample > 0:
            return False
        self._until_sample = self.sample_every
        return True


class LookupObserver:
    """Observes the lookups of one protocol.

    Args:
        protocol: `grpc`, `http`, `sip` or `enum`.
        counts: by protocol, result, reason and source.
        tracer: makes spans; None for none.

    Attributes:
        wants_metadata: whether a call's metadata should be brought where that costs time.
        near_routes: counts routes from the near cache; once for a batch, since it takes a lock.
    """

    def __init__(
        self, protocol: str, counts: LabelledCounters, recorder: Recorder, tracer: Tracer | None = None
    ) -> None:
        self.protocol = protocol
        self.tracer = tracer
        self.wants_metadata = tracer is not None or recorder.writes_log
        self.recorder = recorder
        self._counts = counts
        self._routes = {number: (protocol, ROUTE, "", name) for number, name in _SOURCES.items()}
        self._near_routes = self._routes[1]
        self.near_routes: Callable[[int], None] = counts.counter(self._near_routes).add
        self._unknown = (protocol, ROUTE, "", NONE)

    def near_sample(self, number: str, dial_plan: str) -> None:
        """Log one of the routes from the near cache."""
        labels = self._near_routes
        asked, dial_plan = presentable(number), presentable(dial_plan)
        self.recorder.sampled(CallRecord(now(), self.protocol, asked, "", dial_plan, *labels[1:], "", None, "", ""))

    def near_refusal(self, refusal: Refused, trace_id: str = "") -> None:
        """Count a refusal that stood ready in the near cache."""
        labels = (self.protocol, result_of(refusal.reason), refusal.reason.value, NEAR_CACHE)
        self._counts.add(labels)
        self.recorder.refused(
            CallRecord(
                now(),
                self.protocol,
                refusal.number,
                refusal.number,
                "",
                *labels[1:],
                refusal.account_id,
                None,
                refusal.message,
                trace_id,
            )
        )

    def routed(self, call: "ObservedCall", answer: bytes) -> None:
        """Count a route, and record a slow one."""
        labels = self._routes.get(source_of(answer), self._unknown)
        self._counts.add(labels)
        if call.trace is not None:
            self._finish(call, labels)
        recorder = self.recorder
        if time.monotonic() - call.began > recorder.slow_call:
            recorder.slow(self._record(call, labels, message="", account_id=""))
        elif recorder.sample_every and recorder.takes_sample():
            recorder.sampled(self._record(call, labels, message="", account_id=""))

    def refused(self, call: "ObservedCall", refusal: Refused) -> None:
        """Count a refusal, and record it."""
        labels = (self.protocol, result_of(refusal.reason), refusal.reason.value, call.source)
        self._counts.add(labels)
        if call.trace is not None:
            self._finish(call, labels)
        self.recorder.refused(self._record(call, labels, refusal.message, refusal.account_id))

    def failed(self, call: "ObservedCall", reason: str, message: str) -> None:
        """Count a lookup that the service could not answer, and record it.

        Args:
            reason: the name of a gRPC status.
        """
        labels = (self.protocol, FAILED, reason, NONE)
        self._counts.add(labels)
        if call.trace is not None:
            self._finish(call, labels)
        self.recorder.refused(self._record(call, labels, message, ""))

    def turned_away(self, reason: str, count: int = 1, *, message: str = "", trace_id: str = "") -> None:
        """Count lookups that are refused before they are read, and record them as one.

        Args:
            reason: `OVERLOADED`, or the name of a gRPC status; with INVALID_ARGUMENT the request can't be read.
        """
        result = INVALID if reason == INVALID_ARGUMENT else FAILED
        self._counts.add((self.protocol, result, reason, NONE), count)
        self.recorder.refused(
            CallRecord(now(), self.protocol, "", "", "", result, reason, NONE, "", None, message, trace_id, count)
        )

    def near_span(self, trace: Trace, result: str, reason: str) -> None:
        """Export the span of a lookup that was answered from memory by the bytes of its request."""
        trace.step(NEAR_CACHE)
        self._export(trace, (self.protocol, result, reason, NEAR_CACHE))

    @contextmanager
    def call_span(self, method: str, metadata: Metadata | None, lookups: int = 1) -> Iterator[CallTrace | None]:
        """Give a call of several lookups its trace while it is served, and export its span after it.

        Args:
            method: `LOOKUP_BATCH` or `LOOKUP_STREAM`.
            lookups: in it, as far as that is known.
        """
        trace = None if self.tracer is None else self.tracer.choose_call(metadata, lookups)
        failed = False
        try:
            yield trace
        except Exception:
            failed = True
            raise
        finally:
            if trace is not None:
                self._export_call(trace, method, failed=failed)

    def _export_call(self, trace: CallTrace, method: str, *, failed: bool) -> None:
        if self.tracer is None:
            return
        attributes: dict[str, str | int | bool] = {"did_router.protocol": self.protocol, **self._rpc(method)}
        attributes["did_router.lookups"] = trace.results.total()
        attributes |= {f"did_router.lookups.{result}": count for result, count in trace.results.items()}
        name = f"router.v1.InboundRouter/{method}" if self.protocol == "grpc" else _HTTP_BATCH
        self.tracer.finish(
            FinishedTrace(trace.context, name, trace.began, time.time_ns(), trace.steps(), attributes, failed)
        )

    def _rpc(self, method: str) -> dict[str, str]:
        return {**_RPC, "rpc.method": method} if self.protocol == "grpc" else {}

    def _finish(self, call: "ObservedCall", labels: tuple[str, str, str, str]) -> None:
        trace = call.trace
        if trace is not None and labels[3] != NONE:
            trace.step(_STEPS.get(labels[3], labels[3]))
        if isinstance(trace, Trace):
            self._export(trace, labels)
        elif isinstance(trace, Turn):
            trace.count(labels[1])

    def _export(self, trace: Trace, labels: tuple[str, str, str, str]) -> None:
        if self.tracer is None:
            return
        attributes: dict[str, str | int | bool] = dict(zip(_ATTRIBUTES, labels, strict=True))
        attributes |= self._rpc(LOOKUP)
        steps: tuple[Step, ...] = tuple(trace.steps)
        ended = steps[-1].ended if labels[3] != NONE and steps else time.time_ns()
        name = _SPAN_NAMES[self.protocol]
        self.tracer.finish(
            FinishedTrace(trace.context, name, trace.began, ended, steps, attributes, labels[1] == FAILED)
        )

    def _record(
        self, call: "ObservedCall", labels: tuple[str, str, str, str], message: str, account_id: str
    ) -> CallRecord:
        return CallRecord(
            now(),
            self.protocol,
            presentable(call.number),
            # Where normalisation fails, it leaves what the caller wrote.
            presentable(call.e164) if call.e164.startswith("+") else "",
            presentable(call.dial_plan),
            *labels[1:],
            account_id,
            time.monotonic() - call.began,
            message,
            call.trace_id(),
        )


class ObservedCall(Call):
    """A lookup that its protocol's observer sees end; subclasses send the response.

    Attributes:
        began: when it was taken, on the monotonic clock.
        metadata: that came with it; None where it was not brought.
    """

    __slots__ = ("_observer", "began", "metadata")

    def __init__(
        self,
        observer: LookupObserver,
        number: str,
        dial_plan: str,
        deadline: float,
        *,
        authoritative: bool,
        began: float,
        raw: bytes | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        super().__init__(number, dial_plan, deadline, authoritative=authoritative, raw=raw)
        self._observer = observer
        self.began = began
        self.metadata = metadata

    def trace_id(self) -> str:
        """Return the id of its caller's trace; empty for none."""
        context = context_of(self.metadata)
        return "" if context is None else context.trace_id

    def route(self, answer: bytes) -> None:
        """Respond with a serialised LookupResponse."""
        self._observer.routed(self, answer)
        self._send_route(answer)

    def refuse(self, refusal: Refused) -> None:
        """Respond with a refusal."""
        self._observer.refused(self, refusal)
        self._send_refusal(refusal)

    def _send_route(self, answer: bytes) -> None:
        raise NotImplementedError

    def _send_refusal(self, refusal: Refused) -> None:
        raise NotImplementedError
