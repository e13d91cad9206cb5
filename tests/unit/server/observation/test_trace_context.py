"""W3C Trace Context: which `traceparent` counts."""

from collections.abc import Callable, Sequence

import pytest

from router.lookup.queued_call import CALL, HANDLE, QueuedCall
from router.server.observation.trace_context import (
    TraceContext,
    context_of,
    parse,
    sampled_by_client,
    sampled_by_metadata,
    sampled_context,
)

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = {
    f"00-{TRACE}-{PARENT}-01": True,
    f"00-{TRACE}-{PARENT}-00": False,
    f"00-{TRACE}-{PARENT}-03": True,
    f"00-{TRACE}-{PARENT}-02": False,
    f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like": True,
}
INVALID = (
    "",
    "01",
    f"00-{TRACE}-{PARENT}",
    f"00-{TRACE}-{PARENT}-01-more",
    f"ff-{TRACE}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-1",
)


@pytest.mark.parametrize("text", VALID)
def test_valid_traceparent_names_trace_and_parent(text: str) -> None:
    assert parse(text) == TraceContext(TRACE, PARENT, VALID[text])


@pytest.mark.parametrize("text", INVALID)
def test_invalid_traceparent_is_ignored(text: str) -> None:
    assert parse(text) is None


SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
FUTURE = f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like"
RESET: QueuedCall = (1, "reset", 0, b"", None, None)  # type: ignore[assignment]


def queued(text: str | bytes | None) -> QueuedCall:
    """A call with a `traceparent`, as a source brings it that watches this header."""
    if text is None:
        return CALL, "none", 0, b"", "ipv4:127.0.0.1:50000", ((("user-agent", "x"),), None, None)
    client = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    return CALL, text, 0, b"", client, ((("user-agent", "x"), ("traceparent", text)), None, None)


BATCHES: dict[str, list[str | bytes | None]] = {
    "none": [None, None],
    "unsampled": [UNSAMPLED, UNSAMPLED],
    "one": [UNSAMPLED, None, SAMPLED],
    "bytes": [UNSAMPLED.encode(), SAMPLED.encode()],
    "nonsense": ["nonsense1", "", UNSAMPLED],
    "nonsense beside one": ["nonsense1", SAMPLED, ""],
    "moved": [UNSAMPLED[:-1], SAMPLED, f"{UNSAMPLED}0"],
    "future": [UNSAMPLED, FUTURE],
    "future alone": [FUTURE],
    "unsampled and none": [None, UNSAMPLED, None],
    "foreign letters": ["ä" * 27 + "0", UNSAMPLED[:-1] + "\udcff", SAMPLED],
}


@pytest.mark.parametrize("find", [sampled_by_client, sampled_by_metadata])
@pytest.mark.parametrize("texts", BATCHES.values(), ids=BATCHES)
def test_sampled_calls_of_a_batch_are_found(
    texts: list[str | bytes | None], find: Callable[[Sequence[QueuedCall]], list[QueuedCall]]
) -> None:
    calls = [queued(text) for text in texts]
    wanted = [text for text in texts if text in {SAMPLED, SAMPLED.encode(), FUTURE}]

    found = find([RESET, *calls])

    assert [call[HANDLE] for call in found] == wanted
    assert find(calls) == found, "without the reset stream, the flags are looked at together"


def test_metadata_that_was_not_brought_has_no_trace() -> None:
    assert sampled_by_metadata([(CALL, "none", 0, b"", None, (None, None, None))]) == []
    assert sampled_context(None) is None


@pytest.mark.parametrize("text", [UNSAMPLED, "nonsense", *INVALID])
def test_only_a_sampled_trace_counts_as_one(text: str) -> None:
    assert sampled_context([("traceparent", text)]) is None
    assert sampled_context([("traceparent", SAMPLED)]) == TraceContext(TRACE, PARENT, is_sampled=True)


def test_trace_of_an_unsampled_call_is_known() -> None:
    assert context_of([("traceparent", f"00-{TRACE}-{PARENT}-00")]) == TraceContext(TRACE, PARENT, is_sampled=False)
    assert context_of(None) is None
