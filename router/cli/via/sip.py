"""Asks by SIP: an INVITE over UDP, and the redirection or refusal that answers it."""

import re
import secrets
import socket
from urllib.parse import quote

from router.cli.client import LookupResult
from router.cli.via.view import Question, SwitchView
from router.v1 import inbound_pb2 as pb

_STATUS = re.compile(r"SIP/2\.0 (\d{3}) ([^\r\n]*)")
_SHOWN = ("contact", "x-account-id", "x-did-state", "x-pending-port", "x-did-stale", "reason", "retry-after", "warning")
_USER = "+-_.!~*'()&=$,;?/"
_PLAIN_URI = re.compile(r"(?i:sips?|tel):[!-~]+")
_MOVED = 302
_STATUSES = {404: "NOT_FOUND", 480: "FAILED_PRECONDITION", 400: "INVALID_ARGUMENT"}
"""gRPC's names for what a refusal says; any other response means that the number is not known now."""


def ask_sip(question: Question) -> SwitchView:
    """Send an INVITE, and take the first response.

    Raises:
        OSError: nothing answers SIP there.
    """
    response = _send(question).decode("utf-8", "replace")
    found = _STATUS.match(response)
    if found is None:
        raise OSError("the response is no SIP")
    headers = _headers(response)
    lines = [f"{found[1]} {found[2]}", *(f"{name}: {headers[name]}" for name in _SHOWN if name in headers)]
    return SwitchView("\n".join(lines), _result(question.number, int(found[1]), found[2], headers))


def _send(question: Question) -> bytes:
    target = question.target
    with socket.socket(target.family, socket.SOCK_DGRAM) as sent:
        sent.settimeout(question.timeout)
        sent.connect(target)
        sent.send(_invite(question, str(sent.getsockname()[0]), int(sent.getsockname()[1])))
        return sent.recv(65_535)


def _invite(question: Question, host: str, port: int) -> bytes:
    own = f"[{host}]" if ":" in host else host
    number = question.number
    # A URI is asked for as it is, and anything else is the user part of one.
    uri = number if _PLAIN_URI.fullmatch(number) else f"sip:{quote(number, safe=_USER)}@{question.target}"
    lines = (
        f"INVITE {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {own}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}",
        f"From: <sip:did-router-lookup@{own}>;tag={secrets.token_hex(4)}",
        f"To: <{uri}>",
        f"Call-ID: {secrets.token_hex(16)}@{own}",
        "CSeq: 1 INVITE",
        "Max-Forwards: 70",
        f"Contact: <sip:did-router-lookup@{own}:{port}>",
        "User-Agent: did-router lookup",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _headers(response: str) -> dict[str, str]:
    lines = response.partition("\r\n\r\n")[0].split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _result(number: str, code: int, phrase: str, headers: dict[str, str]) -> LookupResult:
    if code == _MOVED:
        contact = re.search(r"sips?:([^@;>]+)@", headers.get("contact", ""))
        route = pb.LookupResponse(
            number="" if contact is None else contact[1],
            account_id=headers.get("x-account-id", ""),
            state=headers.get("x-did-state", ""),
            pending_port=headers.get("x-pending-port") == "true",
            stale=headers.get("x-did-stale") == "true",
        )
        return LookupResult(number, "OK", reachable=True, route=route)
    reason = re.search(r'text="([^"]*)"', headers.get("reason", ""))
    text = "" if reason is None else reason[1]
    return LookupResult(number, _STATUSES.get(code, "UNAVAILABLE"), reachable=True, reason=text, message=phrase)
