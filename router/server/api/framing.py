"""Encodes protobuf messages around responses that stay serialised."""

_OUTCOME_ROUTE, _OUTCOME_REFUSAL = b"\x0a", b"\x12"
_BATCH_OUTCOME = b"\x0a"
_STREAM_ID, _STREAM_OUTCOME = b"\x0a", b"\x12"
_CONTINUATION = 0x80


def varint(value: int) -> bytes:
    """Encode a length."""
    out = bytearray()
    while value >= _CONTINUATION:
        out.append(value & 0x7F | _CONTINUATION)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(tag: bytes, content: bytes) -> bytes:
    """Encode a length-delimited field."""
    return tag + varint(len(content)) + content


def routed(answer: bytes) -> bytes:
    """Encode a LookupOutcome with a route, from a serialised LookupResponse."""
    return delimited(_OUTCOME_ROUTE, answer)


def refused(refusal: bytes) -> bytes:
    """Encode a LookupOutcome with a refusal, from a serialised Refusal."""
    return delimited(_OUTCOME_REFUSAL, refusal)


def batch(outcomes: list[bytes]) -> bytes:
    """Encode a LookupBatchResponse, from serialised LookupOutcomes."""
    return b"".join(delimited(_BATCH_OUTCOME, outcome) for outcome in outcomes)


def streamed(identifier: str, outcome: bytes) -> bytes:
    """Encode a LookupStreamResponse."""
    return delimited(_STREAM_ID, identifier.encode()) + delimited(_STREAM_OUTCOME, outcome)
