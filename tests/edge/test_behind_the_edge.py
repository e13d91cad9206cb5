"""Calls through the edge."""

import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import ACCOUNTS
from tests.edge.deployment import Instance
from tests.support.waiting import eventually

REQUEST = pb.LookupRequest(number="4158867900")


@pytest.fixture
def channel(service: Instance) -> Iterator[Any]:
    with service.channel() as made:
        yield made


def _code(call: Any) -> str:
    problem = call.exception()
    return "OK" if problem is None else str(problem.code().name)


def test_one_connection_reaches_all_workers_evenly(service: Instance, channel: Any) -> None:
    stub = InboundRouterStub(channel)
    before = _answered(service)
    for _ in range(300):
        assert stub.Lookup(REQUEST, timeout=5).account_id == ACCOUNTS[0]
    shares = [after - had for after, had in zip(_answered(service), before, strict=True)]
    assert sum(shares) >= 300, "more where a call took so long that a second worker was asked too"
    assert min(shares) > 90


_SOURCES = ("near_cache", "redis", "number_database")


def _answered(service: Instance) -> list[float]:
    """By each worker."""
    lines = service.running.page("/metrics").splitlines()
    counts = {f"worker-{index}": 0.0 for index in range(2)}
    for line in lines:
        if line.startswith("did_router_lookups_total{") and any(f'source="{each}"' in line for each in _SOURCES):
            counts[line.partition('worker="')[2].partition('"')[0]] += float(line.rpartition(" ")[2])
    return list(counts.values())


def test_every_method_passes(channel: Any) -> None:
    stub = InboundRouterStub(channel)
    batch = stub.LookupBatch(pb.LookupBatchRequest(lookups=[REQUEST] * 20), timeout=5)
    assert [each.route.account_id for each in batch.outcomes] == ACCOUNTS[:1] * 20
    assert stub.Explain(pb.ExplainRequest(lookup=REQUEST), timeout=5).number == "+14158867900"
    health: Any = HealthStub(channel)
    assert health.Check(HealthCheckRequest(), timeout=5).status == 1
    unknown = channel.unary_unary("/no.such/Method").future(b"", timeout=5)
    assert _code(unknown) == "UNIMPLEMENTED"


def test_stream_outlasts_a_lookup(channel: Any) -> None:
    """A Lookup may take 6 s here. Envoy's limit of idle calls is longer: see tests/component/edge."""

    def ask() -> Iterator[pb.LookupStreamRequest]:
        yield pb.LookupStreamRequest(id="first", lookup=REQUEST)
        time.sleep(6.5)
        yield pb.LookupStreamRequest(id="last", lookup=REQUEST)

    outcomes = InboundRouterStub(channel).LookupStream(ask(), timeout=20)
    assert [each.id for each in outcomes] == ["first", "last"]


def test_compressed_messages_are_refused(channel: Any) -> None:
    for method in ("/router.v1.InboundRouter/Lookup", "/router.v1.NumberManager/Get"):
        call = channel.unary_unary(method).future(b"x" * 1000, timeout=5, compression=grpc.Compression.Gzip)
        assert _code(call) == "UNIMPLEMENTED"
        assert "use grpc-encoding identity" in call.details()


def test_callers_do_not_instruct_envoy(service: Instance, channel: Any) -> None:
    """With these headers Envoy would send a change again, or end a call after a millisecond."""
    shown = (
        ("x-envoy-retry-on", "5xx,reset"),
        ("x-envoy-max-retries", "9"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-envoy-internal", "true"),
    )
    slow = pb.LookupRequest(number="4158867900", consistency=pb.AUTHORITATIVE)
    name = 'envoy_cluster_upstream_rq_timeout{envoy_cluster_name="lookups"}'
    before = service.figure(name)
    stub = InboundRouterStub(channel)
    for _ in range(20):
        assert stub.Lookup(slow, timeout=5, metadata=shown).account_id == ACCOUNTS[0]
    assert service.figure(name) == before


def test_figures_under_their_own_names(service: Instance, channel: Any) -> None:
    stub = InboundRouterStub(channel)
    route = '{envoy_virtual_host="router",envoy_route="Lookup"}'
    calls, times = (f"envoy_vhost_route_upstream_rq_{each}{route}" for each in ("total", "time_count"))
    before, timed = service.figure(calls), service.figure(times)
    for _ in range(10):
        stub.Lookup(REQUEST, timeout=5)
    assert service.figure(calls) >= before + 10, "more where a call took so long that a second worker was asked too"
    eventually(lambda: service.figure(times) >= timed + 10)
    page = service.running.page("/metrics")
    for name in (
        "envoy_http_downstream_cx_active",
        "envoy_cluster_upstream_rq_retry",
        "envoy_listener_local_ratelimit_connections_rate_limited",
        "envoy_listener_downstream_global_cx_overflow",
        "envoy_http_downstream_rq_too_many_premature_resets",
        "did_router_lookups_total",
    ):
        assert f"\n{name}" in page, name


def test_http_is_answered_on_the_same_address(service: Instance) -> None:
    patient = {"Request-Timeout": "5"}
    with service.http() as connection:
        connection.request("GET", "/v1/lookup/+14158867900", headers=patient)
        found = connection.getresponse()
        route = json.loads(found.read())
        connection.request("GET", "/v1/lookup/+14158860000", headers=patient)
        refused = connection.getresponse()
        refusal = json.loads(refused.read())
        connection.request("GET", "/nowhere")
        nowhere = connection.getresponse()
        error = json.loads(nowhere.read())["error"]

    assert (found.status, route.get("account_id")) == (200, ACCOUNTS[0]), route
    assert (refused.status, refusal["sip"]["code"]) == (404, 404)
    assert (nowhere.status, error["status"]) == (404, "NOT_FOUND")
