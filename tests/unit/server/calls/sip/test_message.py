"""Requests as nearly every sender writes them are read by fewer steps, and mean the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.server.calls.sip import message
from router.server.calls.sip.message import NotSipError

_START = b"INVITE sip:+14158867900@127.0.0.1 SIP/2.0"
_FIELDS = (
    b"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK1",
    b"From: <sip:a@127.0.0.1>;tag=1",
    b"To: <sip:b@127.0.0.1>",
    b"Call-ID: c",
    b"CSeq: 1 INVITE",
    b"Max-Forwards: 70",
    b"Content-Length: 0",
    b"User-Agent: a",
    b"X-Own: b",
)
_ODD = (
    b"Via: SIP/2.0/TCP a.example, SIP/2.0/UDP b.example",
    b"v: SIP/2.0/UDP c.example",
    b"Via : SIP/2.0/UDP d.example",
    b"Via:SIP/2.0/UDP: e.example",
    b"Record-Route: <sip:f>",
    b"to: <sip:g>",
    b"To: <sip:h> \t",
    b"To:  <sip:i>",
    b"Require: timer",
    b"Require:x",
    b" folded: on",
    b"\tfolded",
    b"CSeq: 2 INVITE",
    b"X-Bare: a\rb",
    b"X-Bare: a\nb",
    b"X-Null: \0",
    b"X-Quoted: \\\0",
    b"no colon",
    b": no name",
    b"",
)
_HEADS = st.builds(
    lambda start, fields: b"\r\n".join((start, *fields)),
    st.sampled_from((_START, b"OPTIONS sip:a SIP/2.0", b"INVITE  sip:a SIP/2.0", b"SIP/2.0 200 SIP/2.0", b"")),
    st.lists(st.sampled_from(_FIELDS + _ODD) | st.binary(max_size=12), max_size=14),
)


@given(_HEADS)
def test_usual_head_reads_as_the_full_parser_reads_it(head: bytes) -> None:
    usual = message._read_usual(head)
    if usual is None:
        return
    full = message._read(head)

    assert usual._replace(headers={}) == full._replace(headers={})
    read = {name: value.strip() for name, value in usual.headers.items() if name in message._SINGLE}
    assert read == full.headers


@pytest.mark.parametrize("more", [(), (b"Via: SIP/2.0/UDP 127.0.0.2;rport", b"Record-Route: <sip:c>")])
def test_head_of_a_proxy_counts_as_usual(more: tuple[bytes, ...]) -> None:
    assert message._read_usual(b"\r\n".join((_START, *_FIELDS, *more))) is not None


@pytest.mark.parametrize("odd", [field for field in _ODD if not field.startswith((b"Record-Route", b"To:", b":"))])
def test_head_with_an_odd_field_is_left_to_the_full_parser(odd: bytes) -> None:
    head = b"\r\n".join((_START, *_FIELDS, odd))

    assert message._read_usual(head) is None


@pytest.mark.parametrize("fields", [_FIELDS, tuple(reversed(_FIELDS)), tuple(field.lower() for field in _FIELDS[:-1])])
def test_request_has_its_fields_in_any_order_and_case(fields: tuple[bytes, ...]) -> None:
    request = message.parse(b"\r\n".join((_START, *fields, b"", b"")))

    assert (request.from_, request.to) == (b"<sip:a@127.0.0.1>;tag=1", b"<sip:b@127.0.0.1>")
    assert request.call_id == b"c"


def test_request_with_a_break_within_a_line_gets_no_response() -> None:
    with pytest.raises(NotSipError):
        message.parse(b"\r\n".join((_START, *_FIELDS, b"X-Bare: a\nb", b"", b"")))


def test_quoted_null_is_read() -> None:
    request = message.parse(b"\r\n".join((_START, *_FIELDS, b'Subject: "\\\0"', b'X-Open: "', b"", b"")))

    assert request.problem == ""


@pytest.mark.parametrize("odd", [b"a\0", b"\\\0", b'"\0"', b'"\\\\\0"', b'"a" \\\0', b'"\\\0'])
def test_request_with_another_null_gets_no_response(odd: bytes) -> None:
    with pytest.raises(NotSipError):
        message.parse(b"\r\n".join((_START, *_FIELDS, b"Subject: " + odd, b"", b"")))


@pytest.mark.parametrize(
    ("name", "problem"),
    [(rb'"ACME\\"', ""), (rb'"A\"B"', ""), (rb'"A\\\"B"', ""), (rb'"A\"', "a quotation mark is missing")],
)
def test_display_name_ends_at_a_mark_without_a_backslash_of_its_own(name: bytes, problem: str) -> None:
    """RFC 3261 25.1: a backslash takes the octet that follows it, also another backslash."""
    fields = [each if not each.startswith(b"From") else b"From: " + name + b" <sip:a@b>;tag=1" for each in _FIELDS]

    assert message.parse(b"\r\n".join((_START, *fields, b"", b""))).problem == problem
