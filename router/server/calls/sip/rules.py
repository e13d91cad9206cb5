"""Checks a request before any number is looked up (RFC 3261 8.2, for a redirect server as in 8.3)."""

from enum import Enum

from router.server.api.sip_status import TRY_ELSEWHERE
from router.server.calls.sip.message import SipRequest
from router.server.calls.sip.response import SipResponse
from router.server.calls.sip.via import parse_via

ALLOW = "INVITE, ACK, CANCEL, OPTIONS"
_KNOWN_METHODS = frozenset(
    (b"BYE", b"INFO", b"MESSAGE", b"NOTIFY", b"PRACK", b"PUBLISH", b"REFER", b"REGISTER", b"SUBSCRIBE", b"UPDATE")
)
"""Methods of other RFCs: recognised, and not allowed here (405); any other one is not implemented (501)."""
_SCHEMES = (b"sip:", b"sips:", b"tel:")


class Verdict(Enum):
    """The next step for a request without a response."""

    LOOK_UP = "look the number up"
    IGNORE = "send nothing"


def judge(request: SipRequest, *, ready: bool) -> SipResponse | Verdict:
    """Return a response, or what else to do with the request.

    Args:
        ready: whether numbers can be looked up; a dispatcher that sends OPTIONS leaves where they can't.
    """
    if request.method in {b"ACK", b"CANCEL"}:
        return Verdict.IGNORE  # 8.2.7: a stateless server MUST ignore both
    problem = request.problem or _via_problem(request)
    if problem:
        return SipResponse(400, f"Bad Request: {problem}")
    if request.version != b"2.0":
        return SipResponse(505, "Version Not Supported")
    if request.method not in {b"INVITE", b"OPTIONS"}:
        return _other_method(request.method)
    refusal = _refuse(request)
    if refusal is None and request.method == b"OPTIONS":
        return _options(ready=ready)
    return Verdict.LOOK_UP if refusal is None else refusal


def _via_problem(request: SipRequest) -> str:
    """A response carries every Via back, so that each has to be one; the topmost one was read before."""
    others = request.vias[1:]
    return "" if not others or all(map(parse_via, others)) else "a Via is malformed"


def _options(*, ready: bool) -> SipResponse:
    if not ready:
        return SipResponse(TRY_ELSEWHERE.code, TRY_ELSEWHERE.reason)
    return SipResponse(200, "OK", [("Allow", ALLOW), ("Accept", "application/sdp")])


def _other_method(method: bytes) -> SipResponse:
    if method in _KNOWN_METHODS:
        return SipResponse(405, "Method Not Allowed", [("Allow", ALLOW)])
    return SipResponse(501, "Not Implemented", [("Allow", ALLOW)])


def _refuse(request: SipRequest) -> SipResponse | None:
    """Return the refusal of what 8.2.2 has a server look at; None where it has nothing against the request."""
    if not request.uri.lower().startswith(_SCHEMES):
        return SipResponse(416, "Unsupported URI Scheme")
    if request.has_to_tag:
        return SipResponse(481, "Call/Transaction Does Not Exist")
    if request.require:
        unsupported = ", ".join(tag.decode("latin-1") for tag in request.require)
        return SipResponse(420, "Bad Extension", [("Unsupported", unsupported)])
    return None
