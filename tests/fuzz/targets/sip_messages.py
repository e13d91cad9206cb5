"""SIP messages: answered at most once, in lines of their own, to nobody else, and whatever pieces they come in."""

import asyncio
import re
from typing import Any
from unittest.mock import patch

from router.runtime.histograms import DURATION_BOUNDS, Histograms
from router.server.calls import streams
from router.server.calls.contact import ContactTemplate
from router.server.calls.sip import responder
from router.server.calls.sip.redirect import Redirects
from router.server.calls.sip.responder import SipResponder
from router.server.calls.sip.server import SipConnection, SipDatagrams
from router.server.calls.source_address import SourceFilter
from router.server.calls.streams import StreamLimits, StreamTurns
from router.settings.groups.switches import SIPSettings
from tests.fuzz.switch_calls import ACCOUNT, FakeSocket, RaisingLog, ignore, lookups, through_tcp
from tests.fuzz.target import Target

_LOOP = asyncio.new_event_loop()
_DURATIONS = Histograms(DURATION_BOUNDS)
_SOURCES = SourceFilter(SIPSettings().networks, 0)
_TURNS = StreamTurns(StreamLimits(1, 1, 60.0), _SOURCES, ignore)
_REDIRECTS = Redirects(ContactTemplate("sip:{number}@{account_id}.{domain};user=phone", "did.example"))
_RESPONDER = SipResponder(lookups(_LOOP), _REDIRECTS, lambda: True, timeout=1.0, durations=_DURATIONS, drop=ignore)
_SOCKET: Any = FakeSocket()
SipDatagrams(_SOCKET, _RESPONDER, _SOURCES, ignore).socket.start(_SOCKET)
_FROM = ("127.0.0.1", 5061)
_HEADER = re.compile(
    rb"(Via|From|To|Call-ID|CSeq|Contact|X-[A-Za-z-]+|Reason|Retry-After|Allow|Accept|Unsupported"
    rb"|Warning|Content-Length): (?:[^\r\n\0]|\\\0)*"  # a quoted null is copied (RFC 4475 3.1.1.2)
)
_STATUS = re.compile(rb"SIP/2\.0 (200|302|400|404|405|416|420|480|481|501|503|505) [^\r\n\0]+")


def check(data: bytes) -> None:
    """The first byte chooses: a datagram, or a connection whose bytes are cut at the place that the second one says."""
    with patch.object(responder, "log", RaisingLog()), patch.object(streams, "log", RaisingLog()):
        if data[:1] == b"t":
            _stream(data[2:], data[1] if len(data) > 1 else 0)
        else:
            _datagram(data[1:])


def _datagram(data: bytes) -> None:
    answers = _SOCKET.answers(data, _FROM)
    assert len(answers) <= 1
    for response, address in answers:
        assert len(response) <= 2 * len(data), "it amplifies"
        assert _SOURCES.is_allowed(address[0])
        assert not data.lstrip(b"\r\n").startswith((b"SIP/2.0", b"ACK ", b"CANCEL "))
        assert data.count(b"\0") == response.count(b"\0") == 0 or b"\r\n\r\n" in data
        _is_well_formed(response)
    assert _SOCKET.answers(data, _FROM) == answers, "a retransmission has the same response"


def _stream(data: bytes, at: int) -> None:
    whole = through_tcp(_LOOP, _connection, [data])
    assert through_tcp(_LOOP, _connection, [data[:at], data[at:]]) == whole, "pieces make a difference"
    for response in filter(None, re.split(rb"(?<=\r\n\r\n)(?=SIP/2\.0 )", whole.lstrip(b"\r\n"))):
        _is_well_formed(response.rstrip(b"\r\n") + b"\r\n\r\n")


def _connection() -> SipConnection:
    return SipConnection(_RESPONDER, _TURNS)


def _is_well_formed(response: bytes) -> None:
    head, end, rest = response.partition(b"\r\n\r\n")
    assert end
    assert not rest
    start, *fields = head.split(b"\r\n")
    assert _STATUS.fullmatch(start), start
    assert all(_HEADER.fullmatch(each) for each in fields), fields
    assert fields[0].startswith(b"Via: ")
    assert fields[-1] == b"Content-Length: 0"
    if start.startswith(b"SIP/2.0 302"):
        contact = next(each for each in fields if each.startswith(b"Contact: "))
        assert contact == f"Contact: <sip:+14158867900@{ACCOUNT}.did.example;user=phone>".encode()


def _invite(number: str = "+14158867900") -> bytes:
    lines = [f"INVITE sip:{number}@127.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK1;rport"]
    lines += ["From: <sip:a@127.0.0.1>;tag=1", "To: <sip:b@127.0.0.1>", "Call-ID: c", "CSeq: 1 INVITE"]
    lines += [
        "Contact: <sip:a@127.0.0.1:5061>",
        f"User-Agent: {'long enough for a response twice as long. ' * 3}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


TARGET = Target(
    "sip_messages",
    check,
    dictionary=(
        b"u" + _invite(),
        b"t\x20" + _invite() + _invite("5"),
        b"INVITE sip:+14158867904@a SIP/2.0\r\n",
        b"OPTIONS sip:a SIP/2.0\r\n",
        b"ACK sip:a SIP/2.0\r\n",
        b"\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK2",
        b"\r\nv: SIP / 2.0 / TCP [::1]:5061;received=10.0.0.1;rport=1",
        b";maddr=192.0.2.1",
        b";received=192.0.2.1",
        b";rport",
        b";tag=",
        b"\r\nRequire: a, b",
        b"\r\nl: 10\r\n",
        b"\r\nContent-Length: 0",
        b"\r\nMax-Forwards: 70",
        b'\r\nTo: "a\\" <sip:b@c>;tag=1',
        b"\r\nCSeq: 4294967296 INVITE",
        b"\r\nSupported",
        b"\r\n ",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"tel:+14158867907",
        b"sips:",
        b"%00",
        b"\xc3\xa9",
        b"\xff",
    ),
)
