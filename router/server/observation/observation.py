"""The counts and durations of one process, which its sources of calls share."""

from collections.abc import Callable
from functools import partial

from router.runtime.counters import LabelledCounters
from router.runtime.histograms import DURATION_BOUNDS, Histograms, HistogramWriter
from router.server.observation.calls import GrpcCalls
from router.server.observation.definitions import SIZE_BOUNDS
from router.server.observation.lookups import LookupObserver, Recorder
from router.server.observation.tracing import Tracer

Drop = Callable[[str], None]
"""Counts a message that gets no response, by the reason."""


class BatchObserver:
    """Counts batches of one thread."""

    __slots__ = ("_calls", "_durations")

    def __init__(self, calls: HistogramWriter, durations: HistogramWriter) -> None:
        self._calls = calls.observe
        self._durations = durations.observe

    def add(self, calls: int, seconds: float) -> None:
        """Count a batch."""
        self._calls(calls)
        self._durations(seconds)


class Observation:
    """Counts and durations of a process.

    Args:
        recorder: records single lookups.
        tracer: makes spans of some; None for none.

    Attributes:
        lookups: by protocol, result, reason and source.
        batch_calls, batch_durations: by protocol.
        grpc: calls of grpcio's methods; the native transport counts its own.
        http: durations by method, route and status code.
        sip, enum: durations by response code.
        dropped: messages without a response, by protocol and reason.
        waiting: functions that count a protocol's lookups without a response.
    """

    def __init__(self, recorder: Recorder, tracer: Tracer | None = None) -> None:
        self.tracer = tracer
        self.recorder = recorder
        self.lookups = LabelledCounters()
        self.batch_calls = Histograms(SIZE_BOUNDS)
        self.batch_durations = Histograms(DURATION_BOUNDS)
        self.grpc = GrpcCalls()
        self.http = Histograms(DURATION_BOUNDS)
        self.sip = Histograms(DURATION_BOUNDS)
        self.enum = Histograms(DURATION_BOUNDS)
        self.dropped = LabelledCounters()
        self.waiting: dict[str, Callable[[], int]] = {}

    def lookups_over(self, protocol: str) -> LookupObserver:
        """Return the observer of a protocol's lookups."""
        return LookupObserver(protocol, self.lookups, self.recorder, self.tracer)

    def dropped_over(self, protocol: str) -> Drop:
        """Return what counts a protocol's messages without a response."""
        return partial(self._drop, protocol)

    def batches_over(self, protocol: str) -> "BatchObserver":
        """Return what counts a protocol's batches that one thread answers."""
        return BatchObserver(self.batch_calls.writer((protocol,)), self.batch_durations.writer((protocol,)))

    def _drop(self, protocol: str, why: str) -> None:
        self.dropped.add((protocol, why))
