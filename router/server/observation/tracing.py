"""Traces of single lookups: which ones get a span, and the queue of those that wait to be exported.

A span is made after its lookup has its response, in a thread of its own, from times that were noted on the way. So a
lookup without a span pays for one look at its metadata, and a collector that hangs costs spans, never a lookup.
"""

import logging
import queue
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from router.lookup.queued_call import CALL, DETAILS, KIND, METADATA, QueuedCall
from router.runtime.background_thread import BackgroundThread
from router.runtime.counters import LabelledCounters
from router.server.observation.call_traces import CallTrace
from router.server.observation.steps import Step
from router.server.observation.trace_context import (
    Metadata,
    TraceContext,
    context_of,
    sampled_by_client,
    sampled_by_metadata,
    sampled_context,
)

log = logging.getLogger(__name__)

_MAX_WAITING = 2048
"""Spans that wait to be exported; a lookup whose span finds no room goes without."""
_MAX_EXPORT = 256
"""Spans in one request to the collector."""
_EXPORT_INTERVAL = 1.0
"""Seconds between two exports at most."""
EXPORTED, DROPPED, FAILED = ("exported",), ("dropped",), ("failed",)


class Trace:
    """A lookup that gets a span.

    Attributes:
        context: of its caller; None where it is sampled of our own accord.
        began: Unix nanoseconds.
        steps: what it waited for, in order.
    """

    __slots__ = ("began", "context", "steps")

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context
        self.began = time.time_ns()
        self.steps: list[Step] = []

    def step(self, name: str) -> None:
        """Note that a part of the lookup, which began where the last one ended, is over."""
        if self.steps and self.steps[-1].name == name:
            began = self.steps.pop().began
        else:
            began = self.steps[-1].ended if self.steps else self.began
        self.steps.append(Step(name, began, time.time_ns()))


class FinishedTrace(NamedTuple):
    """A lookup with its response.

    Attributes:
        ended: Unix nanoseconds.
        attributes: of its span.
        failed: the service could not answer.
    """

    context: TraceContext | None
    name: str
    began: int
    ended: int
    steps: Sequence[Step]
    attributes: dict[str, str | int | bool]
    failed: bool


class SpanExporter(Protocol):
    """Sends spans to a collector."""

    def export(self, traces: Sequence[FinishedTrace]) -> bool:
        """Send spans; return whether the collector took them."""

    def close(self) -> None:
        """Release the connection; an export that another thread waits for ends soon."""


class Tracer:
    """Chooses lookups, and exports their spans from a thread of its own.

    Args:
        sample_every: one in so many lookups is chosen, whatever its caller says; 0: none.

    Attributes:
        counts: spans by outcome.
    """

    def __init__(self, exporter: SpanExporter, *, sample_every: int) -> None:
        self._exporter = exporter
        self._sample_every = sample_every
        self._until_sample = sample_every
        self._queue: queue.Queue[FinishedTrace] = queue.Queue(_MAX_WAITING)
        self._thread = BackgroundThread(
            "span-exporter",
            self._export_waiting,
            failing="exporting spans failed",
            interval=0.0,
            log=log,
            at_end=self._export_last,
        )
        self.counts = LabelledCounters()

    @property
    def waiting(self) -> int:
        """Spans that wait to be exported."""
        return self._queue.qsize()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Export what waits, for two seconds at most."""
        self._thread.stop()
        self._thread.join(2)
        self._exporter.close()  # the exporter repeats a failed request for longer

    def choose(self, calls: Sequence[QueuedCall], *, by_client: bool) -> list[tuple[QueuedCall, Trace]]:
        """Return the calls of a batch that get a span, each with its trace.

        Args:
            by_client: the calls are from a source that watches `traceparent`.
        """
        found = sampled_by_client(calls) if by_client else sampled_by_metadata(calls)
        if not (found or self._sample_every):
            return []
        chosen = [(call, Trace(context)) for call in found if (context := sampled_context(call[DETAILS][METADATA]))]
        if self._sample_every and not chosen:
            self._until_sample -= len(calls)
            if self._until_sample <= 0:
                chosen = [(call, Trace(context_of(call[DETAILS][METADATA]))) for call in _first_call(calls)]
                self._until_sample = self._sample_every if chosen else 0
        return chosen

    def choose_call(self, metadata: Metadata | None, lookups: int) -> CallTrace | None:
        """Return a trace for a call of several lookups; None where it gets no span."""
        context = sampled_context(metadata)
        if context is not None:
            return CallTrace(context)
        if not self._sample_every:
            return None
        self._until_sample -= lookups
        if self._until_sample > 0:
            return None
        self._until_sample = self._sample_every
        return CallTrace(context_of(metadata))

    def finish(self, trace: FinishedTrace) -> None:
        """Have a span exported."""
        try:
            self._queue.put_nowait(trace)
        except queue.Full:
            self.counts.add(DROPPED)

    def _export_waiting(self) -> None:
        waiting = self._take()
        if waiting:
            self._export(waiting)

    def _export_last(self) -> None:
        while not self._queue.empty():
            if not self._export(self._take()):
                return

    def _take(self) -> list[FinishedTrace]:
        """Return the spans of about a second."""
        taken: list[FinishedTrace] = []
        end = time.monotonic() + _EXPORT_INTERVAL
        while len(taken) < _MAX_EXPORT and (left := end - time.monotonic()) > 0 and not self._thread.stopping:
            try:
                taken.append(self._queue.get(timeout=min(left, 0.2)))
            except queue.Empty:
                continue
        while self._thread.stopping and len(taken) < _MAX_EXPORT and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    def _export(self, traces: Sequence[FinishedTrace]) -> bool:
        try:
            taken = self._exporter.export(traces)
        except Exception:
            log.exception("exporting spans failed: spans=%d", len(traces))
            taken = False
        self.counts.add(EXPORTED if taken else FAILED, len(traces))
        return taken


def _first_call(calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
    """Return the first item that is a call, if any is."""
    return [call for call in calls if call[KIND] == CALL][:1]
