"""W3C Trace Context: the `traceparent` that a call brings (https://www.w3.org/TR/trace-context/)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

TRACEPARENT = "traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION = "ff"
_SAMPLED = 1
_SAMPLED_ENDS: frozenset[str | bytes] = frozenset((*"13579bdf", *(bytes((each,)) for each in b"13579bdf")))
"""Last digits of flags with the lowest bit set."""


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


def sampled(metadatas: "Sequence[Metadata | None]") -> list[tuple[int, TraceContext]]:
    """Return the place and the trace of each call whose caller records its own span.

    Every call is looked at while tracing is on: a look at the last digit of the flags.
    """
    found = []
    for place, metadata in enumerate(metadatas):
        for name, value in metadata or ():
            if name == TRACEPARENT:
                if value[-1:] in _SAMPLED_ENDS and (context := context_of(metadata)) and context.is_sampled:
                    found.append((place, context))
                break
    return found
