"""W3C Trace Context: which `traceparent` counts."""

import pytest

from router.server.observation.trace_context import TraceContext, context_of, parse, sampled

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


@pytest.mark.parametrize("as_bytes", [False, True])
def test_sampled_calls_of_a_batch_are_found(as_bytes: bool) -> None:
    texts = [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", "nonsense1", ""]
    metadatas = [[("user-agent", "x"), ("traceparent", text.encode() if as_bytes else text)] for text in texts]

    found = sampled([None, (), *metadatas])

    assert found == [(2, TraceContext(TRACE, PARENT, is_sampled=True))]


def test_trace_of_an_unsampled_call_is_known() -> None:
    assert context_of([("traceparent", f"00-{TRACE}-{PARENT}-00")]) == TraceContext(TRACE, PARENT, is_sampled=False)
    assert context_of(None) is None
