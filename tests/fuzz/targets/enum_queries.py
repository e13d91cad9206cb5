"""ENUM's DNS messages: answered at most once, as dnspython reads it, and whatever pieces they come in."""

import asyncio
import struct
from typing import Any
from unittest.mock import patch

import dns.edns
import dns.flags
import dns.message

from router.runtime.histograms import DURATION_BOUNDS, Histograms
from router.server.calls import streams
from router.server.calls.contact import ContactTemplate
from router.server.calls.enum import responder
from router.server.calls.enum.responder import EnumAnswers, EnumResponder
from router.server.calls.enum.server import EnumConnection, EnumDatagrams
from router.server.calls.enum.zones import Zones
from router.server.calls.source_address import SourceFilter
from router.server.calls.streams import StreamLimits, StreamTurns
from router.settings.groups.switches import ENUMSettings
from tests.fuzz.switch_calls import FakeSocket, RaisingLog, ignore, lookups, through_tcp
from tests.fuzz.target import Target

_LOOP = asyncio.new_event_loop()
_DURATIONS = Histograms(DURATION_BOUNDS)
_SOURCES = SourceFilter(ENUMSettings().networks, 0)
_TURNS = StreamTurns(StreamLimits(1, 1, 60.0), _SOURCES, ignore)
_CONTACT = ContactTemplate("sip:{number}@{account_id}.{domain};user=phone", "did.example")
_ZONES = Zones(["e164.arpa", "did.example"])
_OUTSIDE, _INSIDE = ("192.0.2.1", 53), ("127.0.0.1", 53)
_HEADER = 12
_SMALL, _LARGE = 512, 1232
_REFUSED, _FORMERR = 5, 1


def _responder(*, uris: bool) -> EnumResponder:
    return EnumResponder(
        lookups(_LOOP), _ZONES, EnumAnswers(_CONTACT, uris, 0), timeout=1.0, durations=_DURATIONS, drop=ignore
    )


def _socket(answering: EnumResponder) -> Any:
    made: Any = FakeSocket()
    EnumDatagrams(made, answering, _SOURCES).socket.start(made)
    return made


_RESPONDERS = [_responder(uris=False), _responder(uris=True)]
_SOCKETS = [_socket(each) for each in _RESPONDERS]


def check(data: bytes) -> None:
    """The first byte chooses refusals' form, and a datagram or a connection that is cut where the second one says."""
    kind = data[0] if data else 0
    with patch.object(responder, "log", RaisingLog()), patch.object(streams, "log", RaisingLog()):
        if kind & 2:
            _stream(_RESPONDERS[kind & 1], data[2:], data[1] if len(data) > 1 else 0)
        else:
            _datagram(_SOCKETS[kind & 1], data[1:])


def _datagram(on: Any, data: bytes) -> None:
    answers = on.answers(data, _INSIDE)
    assert len(answers) <= 1
    if len(data) < _HEADER or data[2] & 0x80:
        assert not answers, "no query"
        return
    ((response, address),) = answers
    assert address == _INSIDE
    read = _read(response, data)
    edns = read.edns >= 0
    assert len(response) <= (_LARGE if edns else _SMALL)
    if not edns or not any(option.otype == dns.edns.OptionType.COOKIE for option in read.options):
        assert on.answers(data, _INSIDE) == answers, "the same query has the same response"
    ((refused, _),) = on.answers(data, _OUTSIDE)
    assert not _read(refused, data).answer, "a stranger learns a number"


def _read(response: bytes, data: bytes) -> dns.message.Message:
    read = dns.message.from_wire(response)
    assert response[:2] == data[:2]
    assert read.flags & dns.flags.QR
    assert read.opcode() == data[2] >> 3 & 0xF
    question = response[_HEADER : len(response)] if read.question else b""
    if read.question:
        assert len(read.question) == 1
        length = len(_question(question))
        assert question[:length] == data[_HEADER : _HEADER + length], "the question is repeated, letter by letter"
    return read


def _question(after: bytes) -> bytes:
    at = 0
    while after[at]:
        at += 1 + after[at]
    return after[: at + 5]


def _stream(answering: EnumResponder, data: bytes, at: int) -> None:
    def connection() -> EnumConnection:
        return EnumConnection(answering, _TURNS)

    whole = through_tcp(_LOOP, connection, [data])
    pieces = through_tcp(_LOOP, connection, [data[:at], data[at:]])
    assert len(pieces) == len(whole), "pieces make a difference"
    while whole:
        (length,) = struct.unpack_from("!H", whole)
        dns.message.from_wire(whole[2 : 2 + length])
        whole = whole[2 + length :]


def _query(name: str = "0.0.9.7.6.8.8.5.1.4.1.e164.arpa", **more: Any) -> bytes:
    return dns.message.make_query(name, "NAPTR", id=1, **more).to_wire()


_TCP = _query()
TARGET = Target(
    "enum_queries",
    check,
    dictionary=(
        b"\0" + _query(),
        b"\1" + _query("5.e164.arpa", use_edns=0),
        b"\2\x10" + len(_TCP).to_bytes(2, "big") + _TCP + len(_TCP).to_bytes(2, "big") + _TCP,
        _query("4.did.EXAMPLE", use_edns=1)[_HEADER:],
        _query(use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")])[_HEADER:],
        _query(use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"x")])[_HEADER:],
        b"\4e164\4arpa\0",
        b"\0\x23\0\1",
        b"\0\6\0\1",
        b"\0\0\x29\2\0\0\0\0\0\0\0",
        b"\xc0\x0c",
        b"\0\1\0\0\0\0\0\0",
        b"\x28\0",
        b"\xff",
    ),
    longest=1400,
)
