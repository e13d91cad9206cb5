"""Requests that are none get a clear answer, and nobody holds on to more than his share."""

import logging
from typing import Any

import grpc
import pytest

from router.server.api.limits import MAX_MESSAGE_BYTES
from router.v1 import inbound_pb2 as pb
from tests.abuse import wire
from tests.abuse.wire import END_HEADERS, GOAWAY, HEADERS, LOOKUP, STREAM, WINDOW, Connection, frame
from tests.integration.conftest import BOTH_TRANSPORTS, StartService
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.support.waiting import eventually

NOT_UTF_8 = b"\x0a\x03\xff\xfe\xfd"
"""A first field of text that is none; wrapped once more, the same inside a message."""
UNREADABLE = {"cut short": b"\x0a\x7f", "no protobuf": b"\xff" * 40, "not UTF-8": NOT_UTF_8}
METHODS = {
    "/router.v1.InboundRouter/Lookup": False,
    "/router.v1.InboundRouter/LookupBatch": True,
    "/router.v1.InboundRouter/Explain": True,
    "/router.v1.NumberManager/Get": False,
    "/router.v1.NumberManager/Create": False,
    "/router.v1.NumberManager/ListByAccount": False,
    "/grpc.health.v1.Health/Check": False,
}
"""The methods, and whether the text stands in a message inside the message."""


def _code(call: Any) -> tuple[str, str]:
    """Of one answer."""
    problem = call.exception()
    return ("OK", "") if problem is None else (problem.code().name, problem.details() or "")


def _code_of_stream(call: Any) -> str:
    try:
        list(call)
    except grpc.RpcError as problem:
        return str(problem.code().name)
    return "OK"


@BOTH_TRANSPORTS
def test_undecodable_message_is_an_invalid_argument(
    start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    channel: Any = start_service().caller.channel
    caplog.set_level(logging.WARNING)
    for method, nested in METHODS.items():
        for what, content in UNREADABLE.items():
            result = b"\x0a\x05" + content if nested and what == "not UTF-8" else content
            code, text = _code(channel.unary_unary(method).future(result, timeout=10))
            assert (code, "request is not a" in text) == ("INVALID_ARGUMENT", True), (method, what, text)
    for method in (STREAM, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"):
        for content in UNREADABLE.values():
            assert _code_of_stream(channel.stream_stream(method)(iter([content]), timeout=10)) == "INVALID_ARGUMENT"
    watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(NOT_UTF_8, timeout=10)
    assert _code_of_stream(watching) == "INVALID_ARGUMENT"
    assert not caplog.records


@BOTH_TRANSPORTS
def test_text_of_absurd_length_is_refused_in_few_words(start_service: StartService, stores: RealStores) -> None:
    stores.number()
    caller = start_service().caller
    long = "1" * 400_000
    refusal = caller.refusal(long)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NOT_RECONCILABLE")
    assert len(refusal.message) < 300
    refusal = caller.refusal(NUMBER, dial_plan=long)
    assert (refusal.code, len(refusal.message) < 300) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    refusal = caller.refusal("\0\r\n\x7f\u202e", dial_plan="\0\r\n")
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.message.isprintable()
    explained = caller.explain(long, dial_plan=long)
    assert explained.ByteSize() < 2000


def test_consistency_that_there_is_not_is_refused_by_every_method(
    start_service: StartService, stores: RealStores
) -> None:
    stores.number()
    stub: Any = start_service().caller.stub
    good, bad = pb.LookupRequest(number=NUMBER), pb.LookupRequest(number=NUMBER, consistency=7)  # type: ignore[arg-type]
    for _ in range(3):
        assert _code(stub.Lookup.future(good, timeout=10)) == ("OK", "")
        for call in (
            stub.Lookup.future(bad, timeout=10),
            stub.LookupBatch.future(pb.LookupBatchRequest(lookups=[good, bad]), timeout=10),
            stub.Explain.future(pb.ExplainRequest(lookup=bad), timeout=10),
        ):
            code, text = _code(call)
            assert (code, text) == ("INVALID_ARGUMENT", "consistency is 7: use one of CACHED (0), AUTHORITATIVE (1)")

    asked = [pb.LookupStreamRequest(id=str(index), lookup=bad if index == 20 else good) for index in range(40)]
    outcomes = stub.LookupStream(iter(asked), timeout=10)
    seen = set()
    with pytest.raises(grpc.RpcError):  # noqa: PT012 - each outcome counts that comes before it
        for each in outcomes:
            seen.add(int(each.id))
    assert (outcomes.code(), "AUTHORITATIVE (1)" in outcomes.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert seen == set(range(20))


@BOTH_TRANSPORTS
def test_request_over_a_megabyte_is_refused(start_service: StartService) -> None:
    channel: Any = start_service().caller.channel
    for size in (MAX_MESSAGE_BYTES + 1, 6 << 20):
        lookup = b"\x0a" + wire.varint(size) + b"1" * size
        batch = b"\x0a" + wire.varint(len(lookup)) + lookup
        for method, content in ((LOOKUP, lookup), (wire.BATCH, batch)):
            assert _code(channel.unary_unary(method).future(content, timeout=20))[0] == "RESOURCE_EXHAUSTED"
        squeezed = channel.unary_unary(LOOKUP).future(lookup, timeout=20, compression=grpc.Compression.Gzip)
        assert _code(squeezed)[0] == "RESOURCE_EXHAUSTED"


MESSAGES = 40_000
UNSENT = {"grpcio": 1_100, "native": 20_000}
"""Outcomes that may be found while nobody reads them: native reads some from grpcio before it notices."""


@BOTH_TRANSPORTS
def test_stream_whose_outcomes_are_unread_is_not_read_from(
    start_service: StartService, stores: RealStores, transport: str
) -> None:
    stores.number()
    running = start_service()
    assert running.caller.account(NUMBER) == ONE
    counts = running.service.lookup.counts
    asked = pb.LookupStreamRequest(id="1", lookup=pb.LookupRequest(number=NUMBER)).SerializeToString()
    with Connection(running.service.transport.port) as attacker:
        attacker.greet((WINDOW, 0))
        attacker.send(frame(HEADERS, END_HEADERS, 1, wire.call_headers(STREAM)))
        attacker.send_body(1, wire.message(asked) * MESSAGES, 1.5)
        eventually(lambda: counts["miss"] >= 900)
        assert counts["miss"] <= UNSENT[transport]
        assert running.caller.account(NUMBER) == ONE


@BOTH_TRANSPORTS
def test_connection_has_so_many_calls_at_a_time(start_service: StartService) -> None:
    running = start_service(max_concurrent_streams=7)
    with Connection(running.service.transport.port) as caller:
        caller.greet()
        eventually(lambda: caller.most_streams == 7)


@pytest.mark.parametrize("transport", ["grpcio"], indirect=True)
def test_connection_without_an_open_call_is_asked_to_leave(start_service: StartService, stores: RealStores) -> None:
    stores.number()
    running = start_service(idle_timeout=0.5)
    with Connection(running.service.transport.port) as idle:
        idle.greet()
        eventually(lambda: idle.frames[GOAWAY])
    assert running.caller.account(NUMBER) == ONE
