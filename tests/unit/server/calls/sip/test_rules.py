"""The table of docs/rfc4475.md: each message of RFC 4475 gets the response that stands there."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.server.calls.sip.message import NotSipError, parse, split_list
from router.server.calls.sip.response import SipResponse
from router.server.calls.sip.rules import Verdict, judge
from router.server.calls.sip.via import parse_via
from tests.unit.server.calls.sip.torture_messages import MESSAGES, WSINV, message

PAGE = Path(__file__).parents[5] / "docs" / "rfc4475.md"
ROWS = dict(re.findall(r"^\| 3\.[\d.]+ \| `(\w+)` \| .* \| (.*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
FILES = os.environ.get("RFC4475_MESSAGES", "")
"""Folder with that RFC's own messages, NAME.dat each."""


def answered(data: bytes) -> str:
    """Return what is done with a message, in the words of the page."""
    try:
        request = parse(data)
    except NotSipError:
        return "nothing"
    if parse_via(request.vias[0]) is None:
        return "nothing"
    verdict = judge(request, ready=True)
    if isinstance(verdict, SipResponse):
        return f"{verdict.code} {verdict.reason.partition(':')[0]}"
    return "looks the number up" if verdict is Verdict.LOOK_UP else "nothing"


def test_page_has_every_message_of_the_rfc() -> None:
    assert set(ROWS) == set(MESSAGES)
    assert len(ROWS) == 49


@pytest.mark.parametrize("name", MESSAGES)
def test_torture_message_gets_the_pages_answer(name: str) -> None:
    assert answered(MESSAGES[name]) == ROWS[name]


@pytest.mark.skipif(not FILES, reason="RFC4475_MESSAGES names no folder with the RFC's own messages")
@pytest.mark.parametrize("name", MESSAGES)
def test_rfcs_own_message_gets_the_pages_answer(name: str) -> None:
    data = (Path(FILES) / f"{name}.dat").read_bytes()
    if b"\r\n\r\n" not in data:
        data += b"\r\n"  # some collections lack the empty line at the end

    assert answered(data) == ROWS[name]


def test_folded_and_abbreviated_fields_are_read() -> None:
    request = parse(WSINV)

    assert (request.method, len(request.vias)) == (b"INVITE", 3)
    assert judge(request, ready=True) is Verdict.LOOK_UP


@pytest.mark.parametrize(
    "data",
    [
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.example\r\n\r\n",  # unreason, noreason: responses
        b"SIP/2.0 4294967301 better not break\r\n\r\n",  # bigcode
        message(via="X-Via: none"),
        b"",
    ],
)
def test_parse_message_that_cannot_be_answered_raises(data: bytes) -> None:
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
