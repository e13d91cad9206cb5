"""Messages of the kinds that RFC 4475 ("torture tests") describes, each by that RFC's section and name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.server.calls.sip.message import NotSipError, parse, split_list
from router.server.calls.sip.response import SipResponse
from router.server.calls.sip.rules import Verdict, judge
from router.server.calls.sip.via import parse_via

LOOK_UP = Verdict.LOOK_UP


def message(
    start: str = "INVITE sip:+14158867900@a.example SIP/2.0",
    *more: str,
    to: str = "To: <sip:b@a.example>",
    sequence: str = "CSeq: 1 INVITE",
    via: str = "Via: SIP/2.0/UDP c.example;branch=z9hG4bK1",
    end: str = "\r\n\r\n",
) -> bytes:
    lines = [start, via, "From: <sip:c@c.example>;tag=1", to, "Call-ID: x@c.example", sequence, *more]
    return ("\r\n".join(lines) + end).encode()


OPTIONS = {"start": "OPTIONS sip:b@a.example SIP/2.0", "sequence": "CSeq: 1 OPTIONS"}

WSINV = (
    b"INVITE sip:b@a.example;x SIP/2.0\r\nTO :\r\n sip:b@a.example \r\n"
    b'from   : "J \\\\\\""  <sip:j@a.example>\r\n'
    b"  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\ni: wsinv@a.example\r\nCseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.a.example   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\r\n"
)
INVITE = "INVITE sip:b@a.example SIP/2.0"

ANSWERED = {
    # 3.1.1: valid, however written
    "3.1.1.1 wsinv: folded lines, spaces, any case, compact forms": (WSINV, LOOK_UP),
    "3.1.1.2 intmeth: every character a token may have": (
        message("!a.-%*_+`'~0Z sip:b@a.example SIP/2.0", sequence="CSeq: 1 !a.-%*_+`'~0Z"),
        501,
    ),
    "3.1.1.3 esc01: escapes in the user part": (message("INVITE sip:sips%3Auser%40a@b.example SIP/2.0"), LOOK_UP),
    "3.1.1.4 escnull: an escaped null": (message("INVITE sip:null-%00@b.example SIP/2.0"), LOOK_UP),
    "3.1.1.5 esc02: an escape in the method is no other method": (
        message("RE%47IST%45R sip:b@a.example SIP/2.0", sequence="CSeq: 1 RE%47IST%45R"),
        501,
    ),
    "3.1.1.7 longreq: long values": (message(INVITE, "X: " + "v" * 9000), LOOK_UP),
    "3.1.1.8 dblreq: what follows a datagram's message is ignored": (
        message("REGISTER sip:a.example SIP/2.0", "Content-Length: 0", sequence="CSeq: 1 REGISTER") + message(),
        405,
    ),
    "3.1.1.9 semiuri: parameters in the user part": (message("INVITE sip:b;p=1@a.example SIP/2.0"), LOOK_UP),
    "3.1.1.10 transports: unknown transports": (
        message(**OPTIONS, via="Via: SIP/2.0/UNKNOWN t1.example;branch=z9hG4bK1"),
        200,
    ),
    # 3.1.2: invalid
    "3.1.2.1 badinv01: separators without values": (message(via="Via: SIP/2.0/UDP 192.0.2.15;;,;,,"), 400),
    "3.1.2.2 clerr: a length beyond the datagram": (
        message(INVITE, "Content-Length: 9"),
        400,
    ),
    "3.1.2.3 ncl: a negative length": (message(INVITE, "Content-Length: -999"), 400),
    "3.1.2.4 scalar02: a sequence number that is too large": (
        message(sequence="CSeq: 36893488147419103232 INVITE"),
        400,
    ),
    "3.1.2.6 quotbal: a quotation mark too few": (message(to='To: "Mr. B <sip:b@a.example>'), 400),
    "3.1.2.7 ltgtruri: the URI in angle brackets": (message("INVITE <sip:b@a.example> SIP/2.0"), 400),
    "3.1.2.8 lwsruri: a space in the URI": (message("INVITE sip:b@a.example; x=1 SIP/2.0"), 400),
    "3.1.2.9 lwsstart: two spaces in the start line": (message("INVITE  sip:b@a.example  SIP/2.0"), 400),
    "3.1.2.10 trws: a space behind the start line": (message("INVITE sip:b@a.example SIP/2.0 "), 400),
    "3.1.2.16 badvers: another version": (
        message(
            "OPTIONS sip:b@a.example SIP/7.0", sequence="CSeq: 1 OPTIONS", via="Via: SIP/7.0/UDP c.example;branch=z"
        ),
        505,
    ),
    "3.1.2.17 mismatch01: another method in CSeq": (message(sequence="CSeq: 1 OPTIONS"), 400),
    # 3.2 and 3.3: transactions and applications
    "3.2.1 badbranch: an empty branch": (message(**OPTIONS, via="Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"), 200),
    "3.3.1 insuf: header fields are missing": (
        b"INVITE sip:b@a.example SIP/2.0\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z\r\n\r\n",
        400,
    ),
    "3.3.2 unkscm: an unknown scheme": (message("OPTIONS nobody:b SIP/2.0", sequence="CSeq: 1 OPTIONS"), 416),
    "3.3.6 bext01: unknown extensions": (
        message(OPTIONS["start"], "Require: nothing, this", "Proxy-Require: that", sequence=OPTIONS["sequence"]),
        420,
    ),
    "3.3.8 multi01: values that may be there once": (
        message(INVITE, "Max-Forwards: 70", "Max-Forwards: 5"),
        400,
    ),
    "3.3.9 mcl01: two lengths": (message(OPTIONS["start"], "l: 0", "l: 5", sequence=OPTIONS["sequence"]), 400),
    "3.3.11 zeromf: no hop left, but the last one": (
        message(OPTIONS["start"], "Max-Forwards: 0", sequence=OPTIONS["sequence"]),
        200,
    ),
    "3.4.1 inv2543: without what RFC 3261 added": (message(via="Via: SIP/2.0/UDP iftgw.example"), LOOK_UP),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_torture_message_is_answered(name: str) -> None:
    data, expected = ANSWERED[name]

    request = parse(data)
    assert parse_via(request.vias[0]) is not None
    verdict = judge(request, ready=True)

    assert (verdict.code if isinstance(verdict, SipResponse) else verdict) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.example\r\n\r\n",  # unreason, noreason: responses
        b"SIP/2.0 4294967301 better not break\r\n\r\n",  # bigcode
        message(via="X-Via: none"),
        b"",
    ],
)
def test_what_can_not_be_answered_raises(data: bytes) -> None:
    with pytest.raises(NotSipError):
        parse(data)


@given(
    st.binary(max_size=300)
    | st.builds(lambda a, b: message()[:a] + b + message()[a:], st.integers(0, 200), st.binary(max_size=40))
)
def test_any_bytes_are_judged_or_ignored(data: bytes) -> None:
    try:
        request = parse(data)
    except NotSipError:
        return
    via = parse_via(request.vias[0])
    if via is not None:
        assert b"\r" not in via.received(("127.0.0.1", 5060))
    assert isinstance(judge(request, ready=True), SipResponse | Verdict)


def test_commas_in_quotes_and_brackets_split_nothing() -> None:
    assert split_list(b'a, "b, \\", c" <sip:d,e>, f') == [b"a", b'"b, \\", c" <sip:d,e>', b"f"]
