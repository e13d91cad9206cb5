"""Checks the answers of contestants that speak SIP or DNS."""

import contextlib
import socket
import time

from benchmarks.arena import Arena
from benchmarks.peers.sip_dns import enum_name

_NAPTR = b"\0\x23"
_REFUSALS = ("SIP/2.0 404", "SIP/2.0 480")
_PROBED_INDEXES = (0, 1, 50)


class WrongAnswer(RuntimeError):
    """A contestant doesn't answer, or not what is in the stores: figures of it would mean nothing."""


def check_sip(arena: Arena, port: int) -> None:
    """Expect a redirection that names the account, and a refusal for a number that takes no calls or does not exist.

    Raises:
        WrongAnswer: the answer is another one.
    """
    numbers = arena.directory

    def ask(number: str) -> str:
        lines = [f"INVITE sip:{number}@127.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKprobe"]
        lines += ["From: <sip:probe@127.0.0.1>;tag=1", f"To: <sip:{number}@127.0.0.1>", f"Call-ID: {number}"]
        lines += ["CSeq: 1 INVITE", "Max-Forwards: 70", "Content-Length: 0", "", ""]
        return _ask("\r\n".join(lines).encode(), port).decode(errors="replace")

    for index in _PROBED_INDEXES:
        answer = ask(numbers.number(index))
        if not answer.startswith("SIP/2.0 302") or f":{numbers.number(index)}@{numbers.account(index)}." not in answer:
            raise WrongAnswer(f"{numbers.number(index)} belongs to {numbers.account(index)}, not:\n{answer}")
    for number in (numbers.number(99), numbers.missing(0)):
        answer = ask(number)
        if not answer.startswith(_REFUSALS):
            raise WrongAnswer(f"{number}: 404 or 480 is right, not:\n{answer}")


def check_dns(arena: Arena, port: int) -> None:
    """Expect NAPTR records that name the account.

    Raises:
        WrongAnswer: the answer is another one.
    """
    for index in _PROBED_INDEXES:
        number, account = arena.directory.number(index), arena.directory.account(index)
        labels = f"{enum_name(number)}.e164.arpa".split(".")
        name = b"".join(bytes((len(each),)) + each.encode() for each in labels)
        answer = _ask(b"\0\1\0\0\0\1\0\0\0\0\0\0" + name + b"\0" + _NAPTR + b"\0\1", port)
        if account.encode() not in answer:
            raise WrongAnswer(f"{number} belongs to {account}, not {answer!r}")


def _ask(packet: bytes, port: int) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        for _ in range(5):
            with contextlib.suppress(OSError):
                client.send(packet)
                return client.recv(4096)
            time.sleep(0.2)
    raise WrongAnswer("no answer")
