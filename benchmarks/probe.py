"""Before a contestant is measured: does it answer, and rightly?"""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from benchmarks.arena import Arena
from benchmarks.directory import written
from benchmarks.peers.sip_dns import enum_name
from router.v1 import inbound_pb2 as pb

_SECONDS = 15.0


class WrongAnswer(RuntimeError):
    """A contestant doesn't answer, or not what is in the stores: figures of it would mean nothing."""


def check(arena: Arena, port: int) -> None:
    """Ask for numbers in both forms, for one that takes no calls, and for one that does not exist.

    Raises:
        WrongAnswer: what it said.
    """
    numbers = arena.directory
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary(
            "/router.v1.InboundRouter/Lookup",
            request_serializer=pb.LookupRequest.SerializeToString,
            response_deserializer=pb.LookupResponse.FromString,
        )

        def code(number: str) -> grpc.StatusCode:
            try:
                ask(pb.LookupRequest(number=number), timeout=5)
            except grpc.RpcError as problem:
                said: grpc.StatusCode = problem.code()
                return said
            return grpc.StatusCode.OK

        _until_answers(lambda: code(numbers.number(0)) is grpc.StatusCode.OK)
        for index in range(0, numbers.count, max(1, numbers.count // 20)):
            for form in ("e164", "national"):
                said = ask(pb.LookupRequest(number=written(numbers.number(index), form)), timeout=5)
                if said.account_id != numbers.account(index):
                    raise WrongAnswer(f"{numbers.number(index)} belongs to {numbers.account(index)}, not:\n{said}")
        for number, expected in (
            (numbers.number(99), grpc.StatusCode.FAILED_PRECONDITION),
            (numbers.missing(0), grpc.StatusCode.NOT_FOUND),
        ):
            if code(number) is not expected:
                raise WrongAnswer(f"{number}: {expected.name} is right, not {code(number).name}")


def check_sip(arena: Arena, port: int) -> None:
    """The same over SIP: a redirection that names the account, and 404.

    Raises:
        WrongAnswer: what it said.
    """
    numbers = arena.directory

    def ask(number: str) -> str:
        lines = [f"INVITE sip:{number}@127.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKprobe"]
        lines += ["From: <sip:probe@127.0.0.1>;tag=1", f"To: <sip:{number}@127.0.0.1>", f"Call-ID: {number}"]
        lines += ["CSeq: 1 INVITE", "Max-Forwards: 70", "Content-Length: 0", "", ""]
        return _ask_udp("\r\n".join(lines).encode(), port).decode(errors="replace")

    said = ask(numbers.number(0))
    if not said.startswith("SIP/2.0 302") or numbers.account(0) not in said:
        raise WrongAnswer(f"{numbers.number(0)} belongs to {numbers.account(0)}, not:\n{said}")
    for number in (numbers.number(99), numbers.missing(0)):
        said = ask(number)
        if not said.startswith("SIP/2.0 404"):
            raise WrongAnswer(f"{number}: 404 is right, not:\n{said}")


def check_dns(arena: Arena, port: int) -> None:
    """The same over DNS: a NAPTR record that names the account.

    Raises:
        WrongAnswer: what it said.
    """
    number, account = arena.directory.number(0), arena.directory.account(0)
    name = b"".join(bytes((len(each),)) + each.encode() for each in f"{enum_name(number)}.e164.arpa".split("."))
    said = _ask_udp(b"\0\1\0\0\0\1\0\0\0\0\0\0" + name + b"\0\0\x23\0\1", port)
    if account.encode() not in said:
        raise WrongAnswer(f"{number} belongs to {account}, not {said!r}")


def _ask_udp(packet: bytes, port: int) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        for _ in range(5):
            with contextlib.suppress(OSError):
                client.send(packet)
                return client.recv(4096)
            time.sleep(0.2)
    raise WrongAnswer("no answer")


CHECKS = {"grpc": check, "sip": check_sip, "dns": check_dns}


def wait_for_workers(port: int, count: int) -> None:
    """Wait until so many sockets listen on a port: workers share it, and connections spread over those there are."""
    end = time.monotonic() + _SECONDS
    while listeners(port) < count:
        if time.monotonic() > end:
            raise WrongAnswer(f"{listeners(port)} of {count} workers listen after {_SECONDS:.0f} s")
        time.sleep(0.02)


def listeners(port: int) -> int:
    """Sockets that listen on a TCP port of any address."""
    found = 0
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            rows = [row.split() for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
            found += sum(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)
    return found


def _until_answers(answers: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not answers():
        if time.monotonic() > end:
            raise WrongAnswer(f"no answer for {_SECONDS:.0f} s")
        time.sleep(0.05)
