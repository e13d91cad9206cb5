"""SIP requests: read from bytes, without I/O (RFC 3261 7 and 25).

Only what a stateless redirect server needs is taken apart; header fields that it copies stay as they came.
"""

import re
from dataclasses import dataclass, field

MAX_MESSAGE = 65_535
"""Bytes of a message, which is what a datagram can hold; a longer one over TCP ends its connection."""
_MAX_HEADERS = 256

_COMPACT = {
    b"v": b"via",
    b"f": b"from",
    b"t": b"to",
    b"i": b"call-id",
    b"l": b"content-length",
    b"m": b"contact",
    b"k": b"supported",
    b"c": b"content-type",
}
"""Compact forms (7.3.3)."""
_SINGLE = frozenset((b"from", b"to", b"call-id", b"cseq", b"content-length", b"max-forwards"))
_USUAL = {
    name: name.lower()
    for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Max-Forwards", b"Content-Length")
}
"""Names as nearly every message writes them; any other way is found in more steps."""
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_BARE_NULL = re.compile(rb"(?<!\\)\0")
"""A null that no backslash quotes (25.1)."""
_START = re.compile(rb"([!-~]+) ([!-~\x80-\xff]+) SIP/([0-9]+\.[0-9]+)")
_RESPONSE = re.compile(rb"SIP/[0-9]+\.[0-9]+ [0-9]{3}(?: |$)")
_TOKEN = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+")
_CSEQ = re.compile(rb"([0-9]{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)")
_TAG = re.compile(rb";[ \t]*tag[ \t]*=", re.IGNORECASE)
_REQUIRED = (b"from", b"to", b"call-id", b"cseq")
_MAX_CSEQ = 2**31
_MAX_HOPS = 255
_MAX_DIGITS = 9
"""Digits of a number that is read; more would take time and mean nothing."""


class NotSipError(Exception):
    """Bytes that are no request and can't be answered: a response, noise, or a request without a Via."""


@dataclass(slots=True)
class SipRequest:
    """A request.

    Attributes:
        method, uri: as the start line has them.
        version: after `SIP/`.
        vias: the values of the Via header fields in their order; one field may hold several.
        headers: the first value of From, To, Call-ID, CSeq, Content-Length and Max-Forwards, by lower-case name.
        require: option tags of Require.
        problem: why the request is malformed (400); empty where it is well-formed.
        length: bytes that the message takes.
        has_to_tag: the request belongs to a dialog.
    """

    method: bytes
    uri: bytes
    version: bytes
    vias: list[bytes]
    headers: dict[bytes, bytes]
    require: list[bytes] = field(default_factory=list)
    problem: str = ""
    length: int = 0
    has_to_tag: bool = False


def head_end(data: bytes) -> int:
    """Return where the body begins; -1 where the empty line has not come yet."""
    end = data.find(b"\r\n\r\n")
    return end + 4 if end >= 0 else -1


def parse(data: bytes) -> SipRequest:
    """Read a request, of which all bytes are there.

    Raises:
        NotSipError: it can't be answered.
    """
    data = data.lstrip(b"\r\n")  # 7.5: empty lines before the start line are ignored
    body = head_end(data)
    head = data if body < 0 else data[: body - 4]
    if b"\n " in head or b"\n\t" in head:
        head = _FOLDED.sub(b" ", head)
    if (b"\0" in head and _BARE_NULL.search(head)) or not head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n"):
        raise NotSipError("a line break or null within a line")  # copied into a response, it would forge header fields
    start, *lines = head.split(b"\r\n")
    if start.startswith(b"SIP/") and _RESPONSE.match(start):
        raise NotSipError("a response")
    request = _start_line(start)
    _headers(lines, request)
    if not request.vias:
        raise NotSipError("no Via")
    request.length = len(data)
    request.has_to_tag = _has_tag(request.headers.get(b"to", b""))
    if not request.problem:
        request.problem = _problem(request, len(data) - body if body >= 0 else 0, complete=body >= 0)
    return request


def _has_tag(address: bytes) -> bool:
    return _TAG.search(address.rpartition(b">")[2]) is not None


def _start_line(start: bytes) -> SipRequest:
    found = _START.fullmatch(start)
    if found is not None:
        return SipRequest(found[1], found[2], found[3], [], {})
    method, _, rest = start.partition(b" ")
    uri, _, version = rest.strip().rpartition(b" ")
    if not _TOKEN.fullmatch(method) or not version.startswith(b"SIP/"):
        raise NotSipError("no start line")
    return SipRequest(method, uri.strip(), version[4:], [], {}, problem="the start line is malformed")


def _headers(lines: list[bytes], request: SipRequest) -> None:
    headers = request.headers
    if len(lines) > _MAX_HEADERS:
        request.problem = f"more than {_MAX_HEADERS} header fields"
    for line in lines[:_MAX_HEADERS]:
        written, colon, value = line.partition(b":")
        name = _USUAL.get(written) or _plain_name(written)
        if not colon:
            request.problem = request.problem or "a header field has no colon"
        elif name == b"via":
            request.vias += split_list(value)
        elif name in _SINGLE:
            text = value.strip()
            if headers.setdefault(name, text) != text:
                request.problem = f"{name.decode()} is there twice"
        elif name == b"require":
            request.require += [tag for tag in split_list(value) if tag]


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


def _problem(request: SipRequest, body_length: int, *, complete: bool) -> str:
    """Return what makes a request malformed (8.1.1 names what it has to have); empty for nothing."""
    found = request.headers.get
    missing = [name for name in _REQUIRED if not found(name)]
    if request.uri.startswith(b"<"):
        return "the Request-URI is in angle brackets"
    if _is_unquoted(found(b"from", b"")) or _is_unquoted(found(b"to", b"")):
        return "a quotation mark is missing"
    if missing:
        return f"{missing[0].decode()} is missing"
    if not complete:
        return "the empty line after the header fields is missing"
    return _sequence_problem(request) or _number_problem(request.headers, body_length)


def _is_unquoted(address: bytes) -> bool:
    return b'"' in address and address.replace(b'\\"', b"").count(b'"') % 2 == 1


def _sequence_problem(request: SipRequest) -> str:
    sequence = _CSEQ.fullmatch(request.headers[b"cseq"])
    if sequence is None or int(sequence[1]) >= _MAX_CSEQ:
        return "CSeq is malformed"
    return "" if sequence[2] == request.method else "CSeq names another method"


def _number_problem(headers: dict[bytes, bytes], body_length: int) -> str:
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > _MAX_DIGITS or int(length) > body_length):
        return "Content-Length is not the body's"
    hops = headers.get(b"max-forwards")
    if hops is not None and not (hops.isdigit() and len(hops) <= _MAX_DIGITS and int(hops) <= _MAX_HOPS):
        return "Max-Forwards is malformed"
    return ""
