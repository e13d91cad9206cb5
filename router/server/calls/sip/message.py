"""SIP requests: read from bytes, without I/O (RFC 3261 7 and 25).

Only what a stateless redirect server needs is taken apart; header fields that it copies stay as they came.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from router.runtime.short_cache import cached_if_short

MAX_MESSAGE = 65_535
"""Bytes of a message, which is what a datagram can hold; a longer one over TCP ends its connection."""
_MAX_HEADERS = 256

_VIA, _FROM, _TO, _CALL_ID, _CSEQ = b"Via", b"From", b"To", b"Call-ID", b"CSeq"
_LENGTH, _HOPS, _REQUIRE = b"Content-Length", b"Max-Forwards", b"Require"
_SINGLE = frozenset((_FROM, _TO, _CALL_ID, _CSEQ, _LENGTH, _HOPS))
_NAMES = {name.lower(): name for name in (_VIA, *_SINGLE, _REQUIRE)}
"""Names of the header fields that are read, by what `_plain_name` returns."""
_COMPACT = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id", b"l": b"content-length"}
"""Compact forms of those (7.3.3)."""
_USUAL = frozenset(
    (_VIA, *_SINGLE, b"Contact", b"User-Agent", b"Allow", b"Supported", b"Content-Type", b"P-Asserted-Identity")
)
"""Names as nearly every message writes them, of the fields that are read and of the most frequent others."""
_BREAKS = b"\r\n\0"
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_NULLS_ARE_QUOTED = re.compile(rb'(?:[^"\0]|"(?:[^"\\\0]|\\.)*")*', re.DOTALL)
"""A line whose nulls each stand behind a backslash, within quotation marks (25.1)."""
_START = re.compile(rb"([!-~]+) ([!-~\x80-\xff]+) SIP/([0-9]+\.[0-9]+)")
_RESPONSE = re.compile(rb"SIP/[0-9]+\.[0-9]+ [0-9]{3}(?: |$)")
_TOKEN = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+")
_CSEQ_VALUE = re.compile(rb"([0-9]{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)")
_TAG = re.compile(rb";[ \t]*tag[ \t]*=", re.IGNORECASE)
_MAX_CSEQ = 2**31
_MAX_HOPS = 255
_MAX_DIGITS = 9
"""Digits of a number that is read; more would take time and mean nothing."""
_CACHED = 1024
"""Values of CSeq whose verdict is kept: user agents that send calls one by one begin each with the same few."""


class NotSipError(Exception):
    """Bytes that are no request and can't be answered: a response, noise, or a request without a Via."""


@dataclass(slots=True)
class SipRequest:
    """A request.

    Attributes:
        method, uri: as the start line has them.
        version: after `SIP/`.
        vias: the values of the Via header fields in their order; one field may hold several.
        from_, to, call_id, sequence: the values of From, To, Call-ID and CSeq; empty where they are missing.
        require: option tags of Require.
        problem: why the request is malformed (400); empty where it is well-formed.
        has_to_tag: the request belongs to a dialog.
    """

    method: bytes
    uri: bytes
    version: bytes
    vias: list[bytes]
    from_: bytes
    to: bytes
    call_id: bytes
    sequence: bytes
    require: list[bytes]
    problem: str
    has_to_tag: bool


class _Head(NamedTuple):
    """The part of a message before its body.

    Attributes:
        headers: the first value of `_SINGLE`, by the usual names; maybe also other fields.
    """

    method: bytes
    uri: bytes
    version: bytes
    vias: list[bytes]
    headers: dict[bytes, bytes]
    require: list[bytes]
    problem: str


def head_end(data: bytes, begin: int = 0) -> int:
    """Return where the body of the message that begins there begins; -1 where the empty line has not come yet."""
    end = data.find(b"\r\n\r\n", begin)
    return end + 4 if end >= 0 else -1


def parse(data: bytes) -> SipRequest:
    """Read a request, of which all bytes are there.

    Raises:
        NotSipError: it can't be answered.
    """
    data = data.lstrip(b"\r\n")  # 7.5: empty lines before the start line are ignored
    body = head_end(data)
    head = data if body < 0 else data[: body - 4]
    method, uri, version, vias, headers, require, problem = _read_usual(head) or _read(head)
    if not vias:
        raise NotSipError("no Via")
    found = headers.get
    from_, to, call_id = found(_FROM, b"").strip(), found(_TO, b"").strip(), found(_CALL_ID, b"").strip()
    sequence = found(_CSEQ, b"").strip()
    request = SipRequest(method, uri, version, vias, from_, to, call_id, sequence, require, problem, _has_tag(to))
    if not problem:
        body_length = len(data) - body if body >= 0 else -1
        request.problem = _problem(request) or _number_problem(found(_LENGTH), found(_HOPS), body_length)
    return request


def _read_usual(head: bytes) -> _Head | None:
    """Read what is written as nearly every request is, in a third of the time; None for anything else.

    Each header field stands in a line of its own, with its usual name before ": ", and only Via may be there twice of
    those that are read.
    """
    start, *lines = head.split(b"\r\n")
    found = _START.fullmatch(start)
    has_odd_breaks = len(head) - len(head.translate(None, _BREAKS)) != 2 * len(lines)
    if found is None or has_odd_breaks or start.startswith(b"SIP/") or len(lines) > _MAX_HEADERS:
        return None
    headers = _usual_fields(lines)
    if headers is None:
        return None
    if len(headers) == len(lines):
        vias = [headers[_VIA].strip()]
    else:
        vias = [line.partition(b": ")[2].strip() for line in lines if line.startswith(b"Via: ")]
    if b"," in b"".join(vias):
        return None
    method, uri, version = found.groups()
    return _Head(method, uri, version, vias, headers, [], "")


def _usual_fields(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Return header fields by name, of one that is there twice the last; None where they are written otherwise."""
    try:
        headers = dict([line.split(b": ", 1) for line in lines])
    except ValueError:
        return None
    if _VIA not in headers or (not _USUAL.issuperset(headers) and any(map(_is_unusual, headers))):
        return None
    if len(headers) < len(lines):
        names = [line.partition(b": ")[0] for line in lines]
        if any(names.count(name) > 1 for name in _SINGLE):
            return None
    return headers


def _is_unusual(written: bytes) -> bool:
    """Return whether it is another way to write the name of a field that is read, or continues the line before it."""
    if written in _USUAL:
        return False
    return written.startswith((b" ", b"\t")) or _plain_name(written.partition(b":")[0]) in _NAMES


def _read(head: bytes) -> _Head:
    """Read a head, however it is written.

    Raises:
        NotSipError: it is no request's.
    """
    head = unfolded(head)
    start, *lines = head.split(b"\r\n")
    if not head.count(b"\r") == head.count(b"\n") == len(lines):
        raise NotSipError("a line break within a line")  # copied into a response, it would forge header fields
    if b"\0" in head and any(b"\0" in line and not _NULLS_ARE_QUOTED.fullmatch(line) for line in (start, *lines)):
        raise NotSipError("a null that is not quoted")
    if start.startswith(b"SIP/") and _RESPONSE.match(start):
        raise NotSipError("a response")
    return _read_fields(lines, _start_line(start))


def unfolded(head: bytes) -> bytes:
    """Return a head whose header fields are each in one line (7.3.1)."""
    return _FOLDED.sub(b" ", head) if b"\n " in head or b"\n\t" in head else head


def _has_tag(address: bytes) -> bool:
    parameters = address.rpartition(b">")[2]
    return b";" in parameters and _TAG.search(parameters) is not None


def _start_line(start: bytes) -> _Head:
    found = _START.fullmatch(start)
    if found is not None:
        return _Head(found[1], found[2], found[3], [], {}, [], "")
    method, _, rest = start.partition(b" ")
    uri, _, version = rest.strip().rpartition(b" ")
    if not _TOKEN.fullmatch(method) or not version.startswith(b"SIP/"):
        raise NotSipError("no start line")
    return _Head(method, uri.strip(), version[4:], [], {}, [], "the start line is malformed")


def _read_fields(lines: list[bytes], head: _Head) -> _Head:
    headers, problem = head.headers, head.problem
    if len(lines) > _MAX_HEADERS:
        problem = f"more than {_MAX_HEADERS} header fields"
    for line in lines[:_MAX_HEADERS]:
        written, colon, value = line.partition(b":")
        name = _NAMES.get(_plain_name(written))
        if not colon:
            problem = problem or "a header field has no colon"
        elif name == _VIA:
            head.vias.extend(split_list(value))
        elif name in _SINGLE:
            text = value.strip()
            if headers.setdefault(name, text) != text:
                problem = f"{name.decode()} is there twice"
        elif name == _REQUIRE:
            head.require.extend(tag for tag in split_list(value) if tag)
    return head._replace(problem=problem)


def _plain_name(written: bytes) -> bytes:
    name = written.rstrip(b" \t").lower()
    return _COMPACT.get(name, name)


def split_list(value: bytes) -> list[bytes]:
    """Split a header field's value at commas that are neither quoted nor within angle brackets."""
    if b"," not in value:
        return [value.strip()]
    parts, begin, quoted, depth, escaped = [], 0, False, 0, False
    for position, byte in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = byte == ord("\\")
            quoted = byte != ord('"')
        elif byte == ord('"'):
            quoted = True
        elif byte == ord("<"):
            depth += 1
        elif byte == ord(">"):
            depth -= 1
        elif byte == ord(",") and depth <= 0:
            parts.append(value[begin:position].strip())
            begin = position + 1
    return [*parts, value[begin:].strip()]


def _problem(request: SipRequest) -> str:
    """Return what makes a request malformed (8.1.1 names what it has to have); empty for nothing."""
    from_, to = request.from_, request.to
    if request.uri.startswith(b"<"):
        return "the Request-URI is in angle brackets"
    if _is_unquoted(from_) or _is_unquoted(to):
        return "a quotation mark is missing"
    if not (from_ and to and request.call_id and request.sequence):
        return "From, To, Call-ID or CSeq is missing"
    return _sequence_problem(request.sequence, request.method)


def _number_problem(length: bytes | None, hops: bytes | None, body_length: int) -> str:
    """Return what is wrong with Content-Length and Max-Forwards, of which each may be left out.

    Args:
        body_length: bytes behind the header fields; -1 where the empty line is missing.
    """
    if body_length < 0:
        return "the empty line after the header fields is missing"
    if not _is_number(length, body_length):
        return "Content-Length is not the body's"
    return "" if _is_number(hops, _MAX_HOPS) else "Max-Forwards is malformed"


def _is_unquoted(address: bytes) -> bool:
    if b'"' not in address:
        return False
    # A backslash takes what follows it (RFC 3261 25.1, quoted-pair), so pairs of backslashes go first.
    return address.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"') % 2 == 1


@cached_if_short(_CACHED)
def _sequence_problem(value: bytes, method: bytes) -> str:
    sequence = _CSEQ_VALUE.fullmatch(value)
    if sequence is None or int(sequence[1]) >= _MAX_CSEQ:
        return "CSeq is malformed"
    return "" if sequence[2] == method else "CSeq names another method"


def _is_number(value: bytes | None, at_most: int) -> bool:
    if value is None:
        return True
    digits = value.strip()
    return digits.isdigit() and len(digits) <= _MAX_DIGITS and int(digits) <= at_most
