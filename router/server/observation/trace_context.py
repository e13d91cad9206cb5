"""W3C Trace Context: the `traceparent` that a call brings (https://www.w3.org/TR/trace-context/)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from router.lookup.queued_call import CLIENT, DETAILS, METADATA, QueuedCall

TRACEPARENT = "traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION = "ff"
_SAMPLED = 1
_FLAGS = 54
"""The place of the flags' last digit; it is the same in every version."""
_LENGTH = 55
"""Of a `traceparent` of version 00; one of a later version may be longer."""
_STRIDE = _LENGTH + 1
_SAMPLED_DIGITS: frozenset[str | bytes] = frozenset((*"13579bdf", *(bytes((each,)) for each in b"13579bdf")))
"""Last digits of flags with the lowest bit set."""
_UNSAMPLED_DIGITS = b"02468ace"


Metadata = Sequence[tuple[str, str | bytes]]
"""Names and values that came with a call."""


class TraceContext(NamedTuple):
    """A caller's trace.

    Attributes:
        trace_id: 32 hexadecimal digits; parent_id: 16.
        is_sampled: the caller records its own span.
    """

    trace_id: str
    parent_id: str
    is_sampled: bool


def parse(text: str) -> TraceContext | None:
    """Read a `traceparent`; None for one that has to be ignored."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == _INVALID_VERSION or (version == "00" and more) or not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return TraceContext(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED))


def context_of(metadata: "Metadata | None") -> TraceContext | None:
    """Return the trace of a call with this metadata; None without one."""
    for name, value in metadata or ():
        if name == TRACEPARENT:
            return parse(value if isinstance(value, str) else value.decode("latin-1"))
    return None


def sampled_context(metadata: "Metadata | None") -> TraceContext | None:
    """Return the trace of a call whose caller records its own span; None for any other call."""
    context = context_of(metadata)
    return context if context is not None and context.is_sampled else None


def sampled_by_client(calls: Sequence[QueuedCall]) -> list[QueuedCall]:
    """Return the calls whose caller seems to record its own span, where `client` is the `traceparent`.

    Every call comes here while tracing is on, so the flags of a batch are looked at together; only where one of them
    may say `sampled`, the calls are looked at one by one.
    """
    texts = [call[CLIENT] for call in calls if call[CLIENT].__class__ is bytes]
    if not texts or _are_unsampled(b"\n".join(texts), len(texts)):
        return []
    return [call for call in calls if call[CLIENT].__class__ is bytes and _seems_sampled(call[CLIENT])]


def sampled_by_metadata(calls: Sequence[QueuedCall]) -> list[QueuedCall]:
    """Return the same as `sampled_by_client`, from the metadata of each call, which takes longer.

    Here, too, the flags of a batch are looked at together: what each call pays for is the comparison of names.
    """
    try:
        texts = [value for call in calls for name, value in call[DETAILS][METADATA] or () if name == TRACEPARENT]
        if not texts or _are_unsampled("\n".join(texts).encode(), len(texts)):
            return []
    except (TypeError, UnicodeEncodeError):
        pass  # a reset stream has no details, and a value may be bytes
    return [
        call
        for call in calls
        if (details := call[DETAILS])
        for header in details[METADATA] or ()
        if header[0] == TRACEPARENT and _seems_sampled(header[1])
    ]


def _are_unsampled(joined: bytes, count: int) -> bool:
    """Return whether so many texts, joined by newlines, are as long as those of version 00, and none has the flag.

    No header contains a newline.
    """
    are_aligned = len(joined) == _STRIDE * count - 1 and joined[_LENGTH::_STRIDE] == b"\n" * (count - 1)
    return are_aligned and not joined[_FLAGS::_STRIDE].strip(_UNSAMPLED_DIGITS)


def _seems_sampled(text: str | bytes) -> bool:
    return text[_FLAGS : _FLAGS + 1] in _SAMPLED_DIGITS
