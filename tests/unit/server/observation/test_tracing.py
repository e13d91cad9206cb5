"""Spans wait in a bounded queue; a collector that hangs costs spans and nothing else."""

import threading
from collections.abc import Sequence

import pytest

from router.lookup.queued_call import CALL, HANDLE, QueuedCall
from router.server.observation import tracing
from router.server.observation.tracing import FinishedTrace, Trace, Tracer
from tests.support.waiting import eventually

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"


class Exporter:
    """A collector that may hang or refuse."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.takes = True
        self.traces: list[FinishedTrace] = []

    def export(self, traces: Sequence[FinishedTrace]) -> bool:
        self.go_on.wait(20)
        self.traces += traces
        return self.takes

    def close(self) -> None:
        self.go_on.set()


def queued(handle: str, traceparent: str = "") -> QueuedCall:
    metadata = (("traceparent", traceparent),) if traceparent else ()
    return CALL, handle, 0, b"", traceparent.encode() if traceparent else "ipv4:127.0.0.1:50000", (metadata, None, None)


def finished(name: str = "Lookup") -> FinishedTrace:
    return FinishedTrace(None, name, 1, 2, (), {}, failed=False)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_EXPORT_INTERVAL", 0.05)


def test_spans_are_exported_and_counted() -> None:
    exporter = Exporter()
    tracer = Tracer(exporter, sample_every=0)
    tracer.start()
    for _ in range(3):
        tracer.finish(finished())
    tracer.stop()

    assert len(exporter.traces) == 3
    assert tracer.counts.all() == {("exported",): 3}


def test_spans_that_the_collector_refuses_count_as_failed() -> None:
    exporter = Exporter()
    exporter.takes = False
    tracer = Tracer(exporter, sample_every=0)
    tracer.start()
    tracer.finish(finished())
    tracer.stop()

    assert tracer.counts.all() == {("failed",): 1}


def test_hanging_collector_costs_spans_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_MAX_WAITING", 10)
    exporter = Exporter()
    exporter.go_on.clear()
    tracer = Tracer(exporter, sample_every=0)
    tracer.start()
    tracer.finish(finished("first"))
    eventually(lambda: tracer.waiting == 0)
    for _ in range(50):
        tracer.finish(finished())
    assert tracer.counts[("dropped",)] >= 30
    exporter.go_on.set()
    tracer.stop()

    assert sum(tracer.counts.all().values()) == 51


def test_callers_decide_which_calls_get_spans() -> None:
    tracer = Tracer(Exporter(), sample_every=0)
    calls = [queued("none"), queued("sampled", PARENT + "1"), queued("unsampled", PARENT + "0")]

    by_metadata, by_client = tracer.choose(calls, by_client=False), tracer.choose(calls, by_client=True)

    for chosen in (by_metadata, by_client):
        assert [call[HANDLE] for call, _ in chosen] == ["sampled"]
        assert chosen[0][1].context is not None


def test_one_in_so_many_calls_gets_a_span_of_its_own_accord() -> None:
    tracer = Tracer(Exporter(), sample_every=10)

    chosen = [len(tracer.choose([queued("none")] * 4, by_client=True)) for _ in range(10)]

    assert sum(chosen) in {3, 4}
    assert all(trace.context is None for _, trace in tracer.choose([queued("none")] * 10, by_client=True))


def test_sample_is_a_call_and_no_reset_stream() -> None:
    tracer = Tracer(Exporter(), sample_every=2)
    reset: QueuedCall = (1, "reset", 0, b"", None, None)  # type: ignore[assignment]

    assert tracer.choose([reset, reset], by_client=True) == []
    chosen = tracer.choose([reset, queued("call")], by_client=True)

    assert [call[HANDLE] for call, _ in chosen] == ["call"]


def test_call_of_several_lookups_is_chosen_by_the_same_rules() -> None:
    never, each_ten = Tracer(Exporter(), sample_every=0), Tracer(Exporter(), sample_every=10)

    assert never.choose_call([("traceparent", PARENT + "0")], 1000) is None
    chosen = never.choose_call([("traceparent", PARENT + "1")], 1)
    assert chosen is not None
    assert chosen.context is not None
    assert [each_ten.choose_call(None, 5) is not None for _ in range(4)] == [False, True, False, True]


def test_steps_follow_each_other_without_gaps() -> None:
    trace = Trace(None)
    for name in ("near_cache", "near_cache", "redis", "couchdb"):
        trace.step(name)

    assert [step.name for step in trace.steps] == ["near_cache", "redis", "couchdb"]
    assert trace.steps[0].began == trace.began
    assert [step.ended for step in trace.steps[:-1]] == [step.began for step in trace.steps[1:]]
