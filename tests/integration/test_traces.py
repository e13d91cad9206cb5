"""Spans of lookups: for callers that record their own, with children for what was waited for."""

import json
import logging
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.http_lookup_client import HttpLookupClient
from tests.integration.lookup_client import request
from tests.integration.otlp_receiver import OtlpReceiver
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.relay import Relay
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
LOOKUP = "router.v1.InboundRouter/Lookup"
KINDS = {"SERVER": 2}


def ask(running: Running, traceparent: str = "", number: str = NUMBER) -> pb.LookupResponse | grpc.RpcError:
    metadata = (("traceparent", traceparent),) if traceparent else ()
    try:
        stub: Any = running.caller.stub
        answer: pb.LookupResponse = stub.Lookup(request(number, ""), timeout=20, metadata=metadata)
    except grpc.RpcError as problem:
        return problem
    return answer


def started(start_service: StartService, receiver: OtlpReceiver, **settings: Any) -> Running:
    running = start_service(with_follower=True, trace_endpoint=receiver.url, **settings)
    running.wait_ready()
    return running


def attributes(span: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


@BOTH_TRANSPORTS
def test_sampled_call_gets_a_span_with_its_callers_trace(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver)
        ask(running)
        for _ in range(5):
            ask(running, UNSAMPLED)
        ask(running, SAMPLED)
        [span] = eventually(lambda: receiver.named(LOOKUP))

    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, KINDS["SERVER"])
    assert attributes(span)["did_router.source"] == "near_cache"
    assert attributes(span)["rpc.method"] == "Lookup"
    assert [child.name for child in receiver.children(span)] == ["near_cache"]


@BOTH_TRANSPORTS
def test_sampled_call_with_a_token_gets_a_span(stores: RealStores, start_service: StartService, tmp_path: Path) -> None:
    """With tokens the native source has its traceparent among the call's metadata alone."""
    stores.number()
    tokens = Tokens(tmp_path / "tokens", switch="lookup", operator="admin")
    with OtlpReceiver() as receiver:
        running = start_service(with_follower=True, trace_endpoint=receiver.url, token_file=str(tokens.path))
        running.wait_ready()
        for traceparent in (UNSAMPLED, SAMPLED):
            metadata = (*tokens.shown("switch"), ("traceparent", traceparent))
            running.caller.stub.Lookup(request(NUMBER, ""), timeout=20, metadata=metadata)
        [span] = eventually(lambda: receiver.named(LOOKUP))

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


def test_children_are_what_a_lookup_waited_for(stores: RealStores, relay: Relay, start_service: StartService) -> None:
    """The spans add up to their parent: a read of CouchDB takes nearly all of the time."""
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver, near_cache_entries=0)
        stores.redis.delete(stores.keys.number(NUMBER))
        answer = ask(running, SAMPLED)
        assert isinstance(answer, pb.LookupResponse)
        [span] = eventually(lambda: receiver.named(LOOKUP))
        children = sorted(receiver.children(span), key=lambda child: child.start_time_unix_nano)

    assert attributes(span)["did_router.source"] == "number_database"
    assert [child.name for child in children] == ["near_cache", "redis", "couchdb"]
    assert children[0].start_time_unix_nano == span.start_time_unix_nano
    assert children[-1].end_time_unix_nano == span.end_time_unix_nano
    whole = span.end_time_unix_nano - span.start_time_unix_nano
    assert sum(child.end_time_unix_nano - child.start_time_unix_nano for child in children) == whole


def test_refused_call_has_its_trace_in_span_log_and_recent(
    stores: RealStores, start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    stores.account(ONE)
    caplog.set_level(logging.INFO, "router.calls")
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver, log_calls="refused")
        ask(running, SAMPLED, "+14150000009")
        [span] = eventually(lambda: receiver.named(LOOKUP))
        [line] = eventually(lambda: [each for each in caplog.records if each.name == "router.calls"])
        [recent] = json.loads(running.page("/recent")[1])

    assert span.trace_id.hex() == TRACE
    assert attributes(span)["did_router.reason"] == "NUMBER_NOT_FOUND"
    assert line.__dict__["keys"]["trace_id"] == recent["trace_id"] == TRACE


def test_one_in_so_many_calls_is_traced_without_a_parent(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver, trace_sample_every=5)
        for _ in range(20):
            ask(running)
        eventually(lambda: len(receiver.named(LOOKUP)) >= 4)
        spans = receiver.named(LOOKUP)

    assert len(spans) == 4
    assert {span.parent_span_id for span in spans} == {b""}


def test_http_request_brings_its_trace(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver, http_listen="127.0.0.1:0")
        with HttpLookupClient(running.service.http.port) as caller:
            assert caller.get(f"/v1/lookup/{NUMBER}", {"traceparent": SAMPLED}).status == 200
        [span] = eventually(lambda: receiver.named("GET /v1/lookup/{number}"))

    assert span.trace_id.hex() == TRACE
    assert attributes(span)["did_router.protocol"] == "http"


BATCH, STREAM = "router.v1.InboundRouter/LookupBatch", "router.v1.InboundRouter/LookupStream"


def many(running: Running, method: str, traceparent: str, numbers: list[str]) -> list[Any]:
    """Ask for several numbers in one call."""
    stub: Any = running.caller.stub
    lookups = [request(number, "") for number in numbers]
    metadata = (("traceparent", traceparent),)
    if method == BATCH:
        return list(stub.LookupBatch(pb.LookupBatchRequest(lookups=lookups), timeout=20, metadata=metadata).outcomes)
    asked = [pb.LookupStreamRequest(id=str(place), lookup=lookup) for place, lookup in enumerate(lookups)]
    return list(stub.LookupStream(iter(asked), timeout=20, metadata=metadata))


def counts(span: Any) -> dict[str, int]:
    return {each.key: each.value.int_value for each in span.attributes if each.key.startswith("did_router.lookups")}


@BOTH_TRANSPORTS
@pytest.mark.parametrize("method", [BATCH, STREAM])
def test_call_of_many_lookups_gets_one_span(stores: RealStores, start_service: StartService, method: str) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver)
        many(running, method, UNSAMPLED, [NUMBER])
        many(running, method, SAMPLED, [NUMBER, NUMBER, "+14150000009", "reception"])
        [span] = eventually(lambda: receiver.named(method))
        children = eventually(lambda: receiver.children(span))

    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, KINDS["SERVER"])
    assert counts(span) == {"did_router.lookups": 4, "did_router.lookups.route": 2, "did_router.lookups.refusal": 2}
    assert attributes(span)["rpc.method"] == method.split("/")[1]
    assert {child.name for child in children} >= {"near_cache", "couchdb"}
    for child in children:
        assert span.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
        assert child.end_time_unix_nano <= span.end_time_unix_nano


def test_batch_over_http_gets_a_span_of_its_route(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver, http_listen="127.0.0.1:0")
        with HttpLookupClient(running.service.http.port) as caller:
            body = {"lookups": [{"number": NUMBER}]}
            assert caller.post("/v1/lookups", body, {"traceparent": SAMPLED}).status == 200
        [span] = eventually(lambda: receiver.named("POST /v1/lookups"))

    assert (span.trace_id.hex(), counts(span)["did_router.lookups"]) == (TRACE, 1)
    assert "rpc.method" not in attributes(span)


def test_refused_lookup_of_a_stream_has_its_trace_in_recent(stores: RealStores, start_service: StartService) -> None:
    stores.account(ONE)
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver)
        many(running, STREAM, SAMPLED, ["+14150000009"])
        [recent] = json.loads(running.page("/recent")[1])

    assert (recent["trace_id"], recent["reason"]) == (TRACE, "NUMBER_NOT_FOUND")


def test_invalid_batch_has_a_span_that_did_not_fail(stores: RealStores, start_service: StartService) -> None:
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver)
        stub: Any = running.caller.stub
        bad = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=NUMBER, consistency=7)])  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as refusal:
            stub.LookupBatch(bad, timeout=20, metadata=(("traceparent", SAMPLED),))
        [span] = eventually(lambda: receiver.named(BATCH))

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert span.status.code == 0


def test_hanging_collector_delays_no_call(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    with OtlpReceiver() as receiver:
        running = started(start_service, receiver)
        receiver.go_on.clear()
        answers = [ask(running, SAMPLED) for _ in range(3000)]
        dropped = running.service.observation.tracer
        receiver.go_on.set()

    assert all(isinstance(answer, pb.LookupResponse) for answer in answers)
    assert dropped is not None
    assert dropped.counts[("dropped",)] > 0
