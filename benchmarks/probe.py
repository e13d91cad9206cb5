"""Before a contestant is measured: does it answer, and rightly?"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import redis

from benchmarks import probe_udp
from benchmarks.arena import KEYS, Arena, entry
from benchmarks.contestants import Contestant
from benchmarks.credentials import Metadata
from benchmarks.directory import Directory, written
from benchmarks.peers import sip_dns
from benchmarks.probe_udp import WrongAnswer
from router.entries.codec import unpack
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_SECONDS = 15.0
_DEADLINE = 5.0
_PROBED_NUMBERS = 20
_FORMS = ("e164", "national")
_NOT_COMPARED = ("number", "revision", "source", "stale")
"""Fields that say where an answer comes from; a peer that passes Redis' bytes on does not fill them."""


def check(arena: Arena, who: Contestant, port: int) -> None:
    """Ask for a few numbers in both forms, for one that takes no calls, and for one that does not exist.

    Raises:
        WrongAnswer: an answer differs from what the stores hold.
    """
    if who.tool == "sip":
        probe_udp.check_sip(arena, port)
    elif who.tool == "dns":
        probe_udp.check_dns(arena, port)
    elif who.tool == "http":
        _check_http(arena, port)
    elif who.tool == "redis":
        _check_redis(arena)
    elif not who.looks:
        _check_echo(arena, who, port)
    else:
        _check_grpc(arena, who, port)


def few(numbers: Directory) -> Iterator[int]:
    """The indexes of the numbers that every contestant is asked for: they take calls."""
    return (at for at in range(0, numbers.count, max(1, numbers.count // _PROBED_NUMBERS)) if not numbers.refused(at))


def _check_grpc(arena: Arena, who: Contestant, port: int) -> None:
    numbers = arena.directory
    with who.access(arena).channel(port) as channel:
        ask = _METHODS[who.method](InboundRouterStub(channel), who.access(arena).metadata)
        _until_answers(lambda: isinstance(ask(numbers.number(0)), pb.LookupResponse))
        for index in few(numbers):
            for form in _FORMS:
                _compare(arena, index, ask(written(numbers.number(index), form)))
        for number, expected in (
            (numbers.number(99), grpc.StatusCode.FAILED_PRECONDITION),
            (numbers.missing(0), grpc.StatusCode.NOT_FOUND),
        ):
            answer = ask(number)
            if answer is not expected:
                raise WrongAnswer(f"{number}: {expected.name} is right, not {answer}")


def _compare(arena: Arena, index: int, answer: "Answer") -> None:
    number = arena.directory.number(index)
    if isinstance(answer, grpc.StatusCode):
        raise WrongAnswer(f"{number} belongs to {arena.directory.account(index)}, not: {answer}")
    expected = pb.LookupResponse.FromString(entry(arena.directory, index).payload)
    if answer.number not in {"", number}:
        raise WrongAnswer(f"{number} was asked for, not {answer.number}")
    compared = pb.LookupResponse.FromString(answer.SerializeToString())
    for name in _NOT_COMPARED:
        compared.ClearField(name)  # type: ignore[arg-type]
    if compared != expected or expected.account_id != arena.directory.account(index):
        raise WrongAnswer(f"{number} has\n{expected}\nnot:\n{compared}")


Answer = pb.LookupResponse | grpc.StatusCode
LookUp = Callable[[str], Answer]
_REFUSALS = {
    pb.NUMBER_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    pb.NOT_IN_SERVICE: grpc.StatusCode.FAILED_PRECONDITION,
}


def _unary(stub: InboundRouterStub, metadata: Metadata) -> LookUp:
    def ask(number: str) -> Answer:
        try:
            return stub.Lookup(pb.LookupRequest(number=number), timeout=_DEADLINE, metadata=metadata)
        except grpc.RpcError as problem:
            return _status(problem)

    return ask


def _batch(stub: InboundRouterStub, metadata: Metadata) -> LookUp:
    def ask(number: str) -> Answer:
        request = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=number)])
        try:
            outcomes = stub.LookupBatch(request, timeout=_DEADLINE, metadata=metadata).outcomes
        except grpc.RpcError as problem:
            return _status(problem)
        return _of_outcome(outcomes[0])

    return ask


def _stream(stub: InboundRouterStub, metadata: Metadata) -> LookUp:
    def ask(number: str) -> Answer:
        requests = iter([pb.LookupStreamRequest(id=number, lookup=pb.LookupRequest(number=number))])
        try:
            (answer,) = stub.LookupStream(requests, timeout=_DEADLINE, metadata=metadata)
        except grpc.RpcError as problem:
            return _status(problem)
        if answer.id != number:
            raise WrongAnswer(f"the answer to {number} has the id {answer.id}")
        return _of_outcome(answer.outcome)

    return ask


def _status(problem: grpc.RpcError) -> grpc.StatusCode:
    status: grpc.StatusCode = problem.code()
    return status


def _of_outcome(outcome: pb.LookupOutcome) -> Answer:
    if outcome.HasField("route"):
        return outcome.route
    return _REFUSALS.get(outcome.refusal.reason, grpc.StatusCode.UNKNOWN)


_METHODS: dict[str, Callable[[InboundRouterStub, Metadata], LookUp]] = {
    "lookup": _unary,
    "batch": _batch,
    "stream": _stream,
}


def _check_echo(arena: Arena, who: Contestant, port: int) -> None:
    with who.access(arena).channel(port) as channel:
        ask = _unary(InboundRouterStub(channel), who.access(arena).metadata)
        _until_answers(lambda: isinstance(ask(arena.directory.number(0)), pb.LookupResponse))
        answer = ask(arena.directory.number(0))
    if answer != pb.LookupResponse.FromString(arena.answer.read_bytes()):
        raise WrongAnswer(f"the echo's answer is another one: {answer}")


def _check_http(arena: Arena, port: int) -> None:
    """Ask as wrk does; errors have to be objects, too."""
    numbers = arena.directory

    def ask(number: str) -> tuple[int, dict[str, Any]]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=_DEADLINE)) as connection:
            connection.request("GET", f"/v1/lookup/{number}")
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    for index in few(numbers):
        for form in _FORMS:
            status, body = ask(written(numbers.number(index), form))
            if status != HTTPStatus.OK or body["account_id"] != numbers.account(index):
                raise WrongAnswer(f"{numbers.number(index)} belongs to {numbers.account(index)}, not: {status} {body}")
    for number, expected in ((numbers.number(99), "FAILED_PRECONDITION"), (numbers.missing(0), "NOT_FOUND")):
        status, body = ask(number)
        if body.get("error", {}).get("status") != expected:
            raise WrongAnswer(f"{number}: {expected} is right, not {status} {body}")


def _check_redis(arena: Arena) -> None:
    """Redis itself holds what the others' answers are made of."""
    with redis.Redis.from_url(arena.redis_url) as client:
        for index in few(arena.directory):
            number = arena.directory.number(index)
            kept = unpack(client.get(KEYS.number(number)) or b"")
            if kept is None or kept.account_id != arena.directory.account(index):
                raise WrongAnswer(f"{number} belongs to {arena.directory.account(index)}, not {kept}")
        if unpack(client.get(sip_dns.redis_key(arena)) or b"") is None:
            raise WrongAnswer("redis-benchmark would ask for a key that holds no entry")


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
