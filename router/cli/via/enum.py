"""Asks by ENUM: a DNS query for the number's NAPTR record."""

import re
import secrets
import socket
import struct

from router.cli.client import LookupResult
from router.cli.via.view import Question, SwitchView
from router.numbers.fields import printable
from router.numbers.uri import clean
from router.server.calls.enum.wire import HEADER, IN, NAPTR, Rcode, encode_name
from router.v1 import inbound_pb2 as pb

ZONE = "e164.arpa"
_RD = 0x0100
_NUMBER = re.compile(r"\+([0-9]{1,15})")
_URI = re.compile(r"!\^\.\*\$!(sips?:([^@;!]+)@([^.;!]+)[^!]*)!")
_REFUSED = re.compile(r"[0-9]{3}")


def ask_enum(question: Question) -> SwitchView:
    """Send a query for NAPTR over UDP.

    Raises:
        OSError: nothing answers DNS there.
        ValueError: the number is not E.164, which is all that ENUM can ask for: a query names no dial plan.
    """
    written = clean(question.number)
    found = None if written is None or written.trunk_note else _NUMBER.fullmatch(written.text)
    if found is None:
        number = printable(question.number)
        raise ValueError(
            f"{number} is not E.164, and ENUM asks for nothing else: write it with + and the country code "
            f"(did-router normalise {number} shows it)"
        )
    labels = [*reversed(found[1]), *ZONE.split(".")]
    name = ".".join(labels)
    response = _send(question, encode_name([label.encode() for label in labels]))
    rcode = _rcode(response)
    record = _naptr(response) if rcode == Rcode.NOERROR.name else None
    text = f"{name}. NAPTR\n" + (f"{rcode}, no record" if record is None else record[0])
    return SwitchView(text, _result(question.number, rcode, "" if record is None else record[1]))


def _send(question: Question, name: bytes) -> bytes:
    identifier = secrets.randbelow(65_536)
    query = struct.pack("!6H", identifier, _RD, 1, 0, 0, 0) + name + struct.pack("!HH", NAPTR, IN)
    with socket.socket(question.target.family, socket.SOCK_DGRAM) as sent:
        sent.settimeout(question.timeout)
        sent.connect(question.target)
        sent.send(query)
        response = sent.recv(65_535)
    if len(response) < HEADER or response[:2] != query[:2]:
        raise OSError("the response is no DNS")
    return response


def _rcode(response: bytes) -> str:
    code = response[3] & 0xF
    return Rcode(code).name if code in set(Rcode) else f"RCODE {code}"


def _naptr(response: bytes) -> tuple[str, str] | None:
    """Return the first answer as zone files write it, and its regular expression; None where there is no answer."""
    try:
        if not struct.unpack_from("!H", response, 6)[0]:
            return None
        position = _after_name(response, _after_name(response, HEADER) + 4)
        kind, _, _, length = struct.unpack_from("!HHIH", response, position)
        data = response[position + 10 : position + 10 + length]
        if kind != NAPTR:
            return None
        order, preference = struct.unpack_from("!HH", data)
        strings, rest = [], data[4:]
        for _ in range(3):
            strings.append(rest[1 : 1 + rest[0]].decode("utf-8", "replace"))
            rest = rest[1 + rest[0] :]
    except (struct.error, IndexError):
        raise OSError("the response is no DNS") from None
    quoted = " ".join(f'"{text}"' for text in strings)
    return f"{order} {preference} {quoted} .", strings[2]


def _after_name(response: bytes, position: int) -> int:
    while (length := response[position]) and length < 0xC0:  # noqa: PLR2004 - from there on it is a pointer
        position += 1 + length
    return position + (2 if response[position] else 1)


def _result(number: str, rcode: str, regex: str) -> LookupResult:
    found = _URI.fullmatch(regex)
    if found is not None and not _REFUSED.fullmatch(found[2]):
        route = pb.LookupResponse(number=found[2], account_id=found[3])
        return LookupResult(number, "OK", reachable=True, route=route)
    if rcode == Rcode.NOERROR.name:
        return LookupResult(number, "NOT_FOUND", reachable=True, message=found[1] if found else "no record")
    return LookupResult(number, "UNAVAILABLE", reachable=True, message=rcode)
