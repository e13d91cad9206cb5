"""The last refused and slow lookups, and the call log."""

import logging

import pytest

from router.server.observation import call_records
from router.server.observation.call_records import MAX_RECENT, CallLog, CallRecord, RecentCalls, presentable


def record(at: float = 1796000000.5, **more: object) -> CallRecord:
    made = CallRecord(
        at=at,
        protocol="grpc",
        asked="4158867900",
        number="+14158867900",
        dial_plan="",
        result="refusal",
        reason="NOT_IN_SERVICE",
        source="redis",
        account_id="",
        seconds=0.00123456,
        message="the number +14158867900 is not in service",
        trace_id="",
    )
    return made._replace(**more)  # type: ignore[arg-type]


def test_newest_record_comes_first_and_the_oldest_goes() -> None:
    recent = RecentCalls()
    for at in range(MAX_RECENT + 5):
        recent.add(record(float(at)))

    assert [each.at for each in recent.newest()] == [float(at) for at in range(MAX_RECENT + 4, 4, -1)]


def test_json_of_a_record_has_null_for_what_is_unknown() -> None:
    shown = record().to_json()

    assert shown["time"] == "2026-11-30T00:53:20.500Z"
    assert (shown["dial_plan"], shown["account_id"], shown["trace_id"]) == (None, None, None)
    assert (shown["seconds"], shown["calls"], shown["reason"]) == (0.001235, 1, "NOT_IN_SERVICE")


@pytest.mark.parametrize("masked", [False, True])
def test_call_log_writes_a_line_with_its_keys(caplog: pytest.LogCaptureFixture, masked: bool) -> None:
    caplog.set_level(logging.INFO)
    written = CallLog(masked=masked)
    written.start()
    written.add(record())
    written.stop()

    [line] = caplog.records
    assert line.__dict__["event"] == "call"
    assert line.__dict__["keys"]["number"] == ("+1415886xxxx" if masked else "+14158867900")
    assert ("+14158867900" in line.getMessage()) is not masked
    assert "reason=NOT_IN_SERVICE" in line.getMessage()


def test_call_log_without_room_drops_lines_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_records, "_MAX_WAITING", 3)
    stuck = CallLog(masked=False)  # its thread does not run
    for _ in range(5):
        stuck.add(record())

    assert stuck.dropped == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [("+14158867900", "+14158867900"), ("1\nINFO forged", "1?INFO forged"), ("9" * 1_000_000, "9" * 256 + "…")],
    ids=["number", "line", "long"],
)
def test_text_of_a_caller_is_bounded_and_printable(text: str, shown: str) -> None:
    assert presentable(text) == shown
