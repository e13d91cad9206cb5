"""DNS messages as an ENUM server reads and writes them: one question, NAPTR and SOA records, EDNS(0).

RFC 1035 4, RFC 3403 4.1 (NAPTR), RFC 6891 (EDNS), RFC 7873 (cookies), RFC 8914 (extended errors). dnspython
takes some thirty times as long for an answer; the tests read with it what is written here.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

HEADER = 12
NAPTR, SOA, OPT = 35, 6, 41
IN = 1
MAX_UDP = 1232
"""Bytes of a UDP response to a query with EDNS (DNS flag day 2020); 512 without."""
MIN_UDP = 512
_QR, _AA, _TC, _RD = 0x8000, 0x0400, 0x0200, 0x0100
_DO = 0x8000
_OPCODE_SHIFT, _OPCODE_MASK = 11, 0xF
_MAX_NAME = 255
"""Bytes of a name, with the lengths of its labels and of the root."""
_POINTER = 0xC0
"""The first byte of a pointer to another name."""
_MAX_SKIPPED = 16
"""Questions and records of a refused query that are passed over in search of its OPT record."""
_COOKIE, _EXTENDED_ERROR = 10, 15
_CLIENT_COOKIE = 8
_SERVER_COOKIES = range(8, 33)
_NAME_POINTER = b"\xc0\x0c"
"""The question's name, where an answer's owner stands."""


class Rcode(IntEnum):
    """Response codes."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


@dataclass(frozen=True, slots=True)
class Edns:
    """The content of a query's OPT record.

    Attributes:
        dnssec_ok: the bit that a response has to copy (RFC 3225 3), though no record here is signed.
        client_cookie: of the first COOKIE option, which is the one that counts (RFC 7873 5.2); empty for none.
    """

    version: int
    size: int
    dnssec_ok: bool = False
    client_cookie: bytes = b""


@dataclass(frozen=True, slots=True)
class Query:
    """A query.

    Attributes:
        question: the bytes of the question, which the response repeats as they are (0x20).
        labels: the name in lower case; empty for the root.
        rcode: what is wrong with the query itself; NOERROR for nothing.
    """

    id: int
    recursion_desired: bool
    opcode: int
    question: bytes
    labels: tuple[bytes, ...]
    type: int
    class_: int
    edns: Edns | None
    rcode: Rcode = Rcode.NOERROR


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record whose owner is the question's name, or the name given."""

    type: int
    ttl: int
    data: bytes
    owner: bytes = _NAME_POINTER

    def encode(self) -> bytes:
        """Return its bytes."""
        return self.owner + struct.pack("!HHIH", self.type, IN, self.ttl, len(self.data)) + self.data


class NotAQueryError(Exception):
    """Bytes that get no response: a response, or less than a header."""


class _MalformedError(Exception):
    pass


def parse(data: bytes) -> Query:
    """Read a query; one that is malformed comes back with FORMERR, one of another opcode with NOTIMP.

    Raises:
        NotAQueryError: it gets no response.
    """
    if len(data) < HEADER:
        raise NotAQueryError
    identifier, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", data)
    if flags & _QR:
        raise NotAQueryError
    opcode = flags >> _OPCODE_SHIFT & _OPCODE_MASK
    bare = Query(identifier, bool(flags & _RD), opcode, b"", (), 0, 0, None)
    counts = (questions, answers + authorities + additional)
    if opcode:
        return _failed(bare, Rcode.NOTIMP, _edns_of_refused(data, *counts))
    try:
        _check_counts(questions, answers, authorities, additional)
        labels, position = _name(data, HEADER)
        kind, class_ = struct.unpack_from("!HH", data, position)
        end = position + 4
        edns = _edns(data, end) if additional else None
    except (_MalformedError, struct.error, IndexError):
        return _failed(bare, Rcode.FORMERR, _edns_of_refused(data, *counts))
    return Query(identifier, bare.recursion_desired, opcode, data[HEADER:end], labels, kind, class_, edns)


def _check_counts(questions: int, answers: int, authorities: int, additional: int) -> None:
    if questions != 1 or answers or authorities or additional > 1:
        raise _MalformedError


def _failed(query: Query, rcode: Rcode, edns: Edns | None) -> Query:
    return Query(query.id, query.recursion_desired, query.opcode, b"", (), 0, 0, edns, rcode)


def _edns_of_refused(data: bytes, questions: int, records: int) -> Edns | None:
    """Return what the OPT record of a refused query says; None where none is found.

    A response to a query with OPT has one, too (RFC 6891 6.1.1).
    Options are not read: a malformed one may be the reason.
    """
    position = HEADER
    try:
        for _ in range(min(questions, _MAX_SKIPPED)):
            position = _after_name(data, position) + 4
        for _ in range(min(records, _MAX_SKIPPED)):
            is_root = not data[position]
            position = _after_name(data, position)
            kind, size, _, version, flags, length = struct.unpack_from("!HHBBHH", data, position)
            if is_root and kind == OPT:
                return Edns(version, max(size, MIN_UDP), bool(flags & _DO))
            position += 10 + length
    except (struct.error, IndexError):
        pass
    return None


def _after_name(data: bytes, position: int) -> int:
    """Return where a name ends, which may be compressed."""
    while length := data[position]:
        if length >= _POINTER:
            return position + 2
        position += 1 + length
    return position + 1


def _name(data: bytes, position: int) -> tuple[tuple[bytes, ...], int]:
    """Read a name without compression, which a question has no use for."""
    labels: list[bytes] = []
    begin = position
    while length := data[position]:
        if length > 63:  # noqa: PLR2004 - a label's bound; above it are pointers
            raise _MalformedError
        label = data[position + 1 : position + 1 + length]
        if len(label) < length:
            raise _MalformedError
        labels.append(label.lower())
        position += 1 + length
        if position - begin >= _MAX_NAME:  # with the root's octet behind it
            raise _MalformedError
    return tuple(labels), position + 1


def _edns(data: bytes, position: int) -> Edns | None:
    """Read the additional record: OPT, or another one, such as a signature, which is ignored."""
    if data[position]:
        return None
    kind, size, _, version, flags, length = struct.unpack_from("!HHBBHH", data, position + 1)
    if kind != OPT:
        return None
    options = data[position + 11 : position + 11 + length]
    if len(options) < length:
        raise _MalformedError
    return Edns(version, max(size, MIN_UDP), bool(flags & _DO), _client_cookie(options))


def _client_cookie(options: bytes) -> bytes:
    position, cookie = 0, b""
    while position < len(options):
        code, length = struct.unpack_from("!HH", options, position)
        value = options[position + 4 : position + 4 + length]
        if len(value) < length:
            raise _MalformedError
        if code == _COOKIE and not cookie:
            if length != _CLIENT_COOKIE and length - _CLIENT_COOKIE not in _SERVER_COOKIES:
                raise _MalformedError  # RFC 7873 5.2.2
            cookie = value[:_CLIENT_COOKIE]
        position += 4 + length
    return cookie


def write(
    query: Query,
    rcode: Rcode,
    answers: Sequence[Record] = (),
    authority: Sequence[Record] = (),
    *,
    server_cookie: bytes = b"",
    explanation: str = "",
    max_size: int = 65_535,
) -> bytes:
    """Write a response; where it would be longer than `max_size`, a truncated one without records.

    Args:
        server_cookie: goes with the client's, where the query has one.
        explanation: text of an extended error, for people; only to a query with EDNS.
    """
    additional = _opt(query, rcode, server_cookie, explanation)
    body = b"".join(record.encode() for record in (*answers, *authority))
    counts = (len(answers), len(authority))
    truncated = 0
    if HEADER + len(query.question) + len(body) + len(additional) > max_size:
        body, counts, truncated = b"", (0, 0), _TC
    authoritative = _AA if rcode is Rcode.NOERROR else 0  # nothing is said about a name in any other response
    flags = _QR | authoritative | truncated | query.opcode << _OPCODE_SHIFT | (rcode & 0xF)
    if query.recursion_desired:
        flags |= _RD
    header = struct.pack("!6H", query.id, flags, int(bool(query.question)), *counts, int(bool(additional)))
    return header + query.question + body + additional


def _opt(query: Query, rcode: Rcode, server_cookie: bytes, explanation: str) -> bytes:
    if query.edns is None:
        return b""
    flags = _DO if query.edns.dnssec_ok else 0
    options = b""
    if query.edns.client_cookie:
        cookie = query.edns.client_cookie + server_cookie
        options += struct.pack("!HH", _COOKIE, len(cookie)) + cookie
    if explanation:
        text = explanation.encode()
        options += struct.pack("!HHH", _EXTENDED_ERROR, len(text) + 2, 0) + text
    return b"\0" + struct.pack("!HHBBHH", OPT, MAX_UDP, rcode >> 4, 0, flags, len(options)) + options


def max_udp(query: Query) -> int:
    """Return how long a response over UDP may be."""
    return MIN_UDP if query.edns is None else min(query.edns.size, MAX_UDP)


def encode_name(labels: Sequence[bytes]) -> bytes:
    """Write a name."""
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def naptr(uri: str, ttl: int) -> Record:
    """Return the record that Kamailio, Asterisk and FreeSWITCH all accept (docs/switches.md).

    Raises:
        ValueError: the URI makes a regular expression longer than a DNS string (255 bytes).
    """
    regex = f"!^.*$!{uri}!".encode()
    data = struct.pack("!HH", 100, 10) + b"".join(_string(text) for text in (b"u", b"E2U+sip", regex)) + b"\0"
    return Record(NAPTR, ttl, data)


def soa(zone: Sequence[bytes], ttl: int) -> Record:
    """Return the zone's SOA; its minimum bounds how long "there is none" is kept (RFC 2308)."""
    name = encode_name(zone)
    data = b"\x02ns" + name + b"\x0ahostmaster" + name + struct.pack("!5I", 1, 3600, 600, 86_400, ttl)
    return Record(SOA, ttl, data, owner=name)


def _string(text: bytes) -> bytes:
    if len(text) > 255:  # noqa: PLR2004 - RFC 1035 3.3
        raise ValueError("a DNS string has at most 255 bytes")
    return bytes((len(text),)) + text
