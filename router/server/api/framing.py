"""Protobuf by hand where an answer's bytes are passed on without being parsed."""

_OUTCOME_ROUTE, _OUTCOME_REFUSAL = b"\x0a", b"\x12"
_BATCH_OUTCOME = b"\x0a"
_STREAM_ID, _STREAM_OUTCOME = b"\x0a", b"\x12"
_MORE = 0x80


def varint(value: int) -> bytes:
    """A length as protobuf writes it."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(tag: bytes, content: bytes) -> bytes:
    """A field that has a length."""
    return tag + varint(len(content)) + content


def routed(answer: bytes) -> bytes:
    """A LookupOutcome with a route, from a serialised LookupResponse."""
    return delimited(_OUTCOME_ROUTE, answer)


def refused(refusal: bytes) -> bytes:
    """A LookupOutcome with a refusal, from a serialised Refusal."""
    return delimited(_OUTCOME_REFUSAL, refusal)


def batch(outcomes: list[bytes]) -> bytes:
    """A LookupBatchResponse, from serialised LookupOutcomes."""
    return b"".join(delimited(_BATCH_OUTCOME, outcome) for outcome in outcomes)


def streamed(identifier: str, outcome: bytes) -> bytes:
    """A LookupStreamResponse."""
    return delimited(_STREAM_ID, identifier.encode()) + delimited(_STREAM_OUTCOME, outcome)
