"""The service as a whole: it starts with whatever is there, says how it is, and ends without losing a call."""

import asyncio
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from router.embedded import EmbeddedRedis
from router.server.app import Service
from router.server.transport import GrpcioTransport, NativeTransport
from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.lookup_client import PATIENCE, LookupClient, outcome, request
from tests.integration.real_stores import NUMBER, ONE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SERVICE = "router.v1.InboundRouter"
PATIENT = {"shutdown_grace_period": 20, "couchdb_read_timeout": 20, "lookup_timeout": 20}


@pytest.mark.parametrize("taken", ["listen", "http_listen", "enum_listen", "admin_listen"])
def test_service_whose_address_is_taken_leaves_no_folder(stores: RealStores, transport: str, taken: str) -> None:
    before = set(Path(tempfile.gettempdir()).glob("did-router-*"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(OSError, match=address):
            Service(stores.settings(**{"transport": transport, taken: address})).start()

    assert set(Path(tempfile.gettempdir()).glob("did-router-*")) <= before


def test_service_started_without_stores_serves_when_they_appear(
    stores: RealStores, own_redis: EmbeddedRedis, start_service: StartService
) -> None:
    stores.number()
    stores.redis_url = own_redis.url
    own_redis.stop()
    stores.couchdb.stop()
    running = start_service(with_follower=True, couchdb_read_timeout=0.5)
    caller = running.caller
    assert caller.health() == caller.health(SERVICE) == "NOT_SERVING"
    assert caller.account(NUMBER) == "NUMBER_DATABASE_UNAVAILABLE"
    assert caller.account("reception") == "NOT_RECONCILABLE"
    assert running.page("/readyz")[0] == 503
    stores.couchdb.start()
    eventually(lambda: caller.health(SERVICE) == "SERVING")
    eventually(lambda: caller.account(NUMBER) == ONE)
    own_redis.start()
    running.wait_ready()
    eventually(lambda: caller.route(NUMBER).source in {pb.REDIS, pb.NEAR_CACHE})
    assert running.page("/readyz")[0] == 200


@BOTH_TRANSPORTS
def test_burst_of_more_calls_than_a_connection_may_have_loses_none(
    stores: RealStores, start_service: StartService
) -> None:
    """A caller at its limit sends the next call before the server has forgotten the last one."""
    stores.number()
    running = start_service()
    running.caller.route(NUMBER)

    async def burst() -> set[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.service.transport.port}") as channel:
            lookup: Any = channel.unary_unary("/router.v1.InboundRouter/Lookup")
            asked = request(NUMBER).SerializeToString()
            reported: set[str] = set()
            for count in (150, 200, 200, 400, 800):
                calls = (lookup(asked, timeout=PATIENCE) for _ in range(count))
                for each in await asyncio.gather(*calls, return_exceptions=True):
                    reported.add(str(each) if isinstance(each, BaseException) else _account(each))
        return reported

    assert asyncio.run(burst()) == {ONE}


def test_service_with_both_stores_down_serves_its_near_cache(
    stores: RealStores, own_redis: EmbeddedRedis, start_service: StartService
) -> None:
    stores.number()
    stores.redis_url = own_redis.url
    running = start_service(with_follower=True, couchdb_read_timeout=0.5)
    running.wait_ready()
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    own_redis.stop()
    stores.couchdb.stop()
    eventually(lambda: running.caller.health(SERVICE) == "NOT_SERVING")
    result = running.caller.route(NUMBER)
    assert (result.account_id, result.source, result.stale) == (ONE, pb.NEAR_CACHE, True)
    assert running.caller.account("+14150000009") == "NUMBER_DATABASE_UNAVAILABLE"


def test_without_redis_it_answers_from_the_database(
    stores: RealStores, own_redis: EmbeddedRedis, start_service: StartService
) -> None:
    stores.number()
    stores.account(TWO, enabled=False)
    stores.number("+14150000002", TWO)
    stores.redis_url = own_redis.url
    own_redis.stop()
    running = start_service()
    caller = running.caller
    assert caller.route(NUMBER).source == pb.NUMBER_DATABASE
    assert caller.account("+14150000002") == "ACCOUNT_DISABLED"
    assert caller.account("+14150000009") == "NUMBER_NOT_FOUND"
    eventually(lambda: caller.health(SERVICE) == "SERVING")
    stores.number(account=TWO)
    assert caller.account(NUMBER) == "ACCOUNT_DISABLED"


def test_without_redis_the_clusters_configuration_still_counts(
    stores: RealStores, own_redis: EmbeddedRedis, start_service: StartService
) -> None:
    stores.number(pvt_module_name="knm_local")
    stores.configure(force_local_outbound=False)
    stores.redis_url = own_redis.url
    own_redis.stop()
    running = start_service()
    eventually(lambda: not running.caller.route(NUMBER).force_outbound)


@BOTH_TRANSPORTS
def test_health_knows_its_services_and_no_others(stores: RealStores, start_service: StartService) -> None:
    caller = start_service().caller
    eventually(lambda: caller.health() == caller.health(SERVICE) == "SERVING")
    assert caller.health("router.v1.Nothing") == "NOT_FOUND"


def test_health_follows_the_stores(stores: RealStores, own_redis: EmbeddedRedis, start_service: StartService) -> None:
    stores.redis_url = own_redis.url
    running = start_service()
    eventually(lambda: running.caller.health(SERVICE) == "SERVING")
    own_redis.stop()
    stores.couchdb.stop()
    eventually(lambda: running.caller.health(SERVICE) == "NOT_SERVING")
    assert running.page("/readyz")[0] == 503
    assert running.page("/healthz")[0] == 200
    stores.couchdb.start()
    eventually(lambda: running.caller.health(SERVICE) == "SERVING")


@BOTH_TRANSPORTS
def test_reflection_names_the_services(stores: RealStores, start_service: StartService) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(start_service().caller.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answer = next(iter(stub.ServerReflectionInfo(asked, timeout=20)))
    names = {each.name for each in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


@BOTH_TRANSPORTS
def test_unknown_method_is_unimplemented(stores: RealStores, start_service: StartService) -> None:
    nothing: Any = start_service().caller.channel.unary_unary("/router.v1.InboundRouter/Nothing")
    with pytest.raises(grpc.RpcError) as problem:
        nothing(b"", timeout=20)
    assert problem.value.code() is grpc.StatusCode.UNIMPLEMENTED


def _metrics(running: Running) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    code, text = running.page("/metrics")
    assert code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_metrics_count_what_happened(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    running = start_service(with_follower=True)
    running.wait_ready()
    eventually(lambda: stores.complete("numbers/+1415"))
    before = _metrics(running)
    for number in (NUMBER, NUMBER, "+14150000009", "reception"):
        running.caller.ask(number)
    after = _metrics(running)
    counted = {key: after[key] - before.get(key, 0) for key in after if key[0] == "did_router_lookups_total"}
    by_reason = {reason: count for (_, _, reason, *_), count in counted.items() if reason}
    assert by_reason == {"NUMBER_NOT_FOUND": 1, "NOT_RECONCILABLE": 1}
    assert sum(count for key, count in counted.items() if key[3] == "route") == 2
    assert {key[4] for key in counted if key[3] == "route"} <= {"redis", "near_cache"}
    up = [after[("did_router_store_up", store)] for store in ("redis", "couchdb")]
    assert [after[("did_router_serving",)], *up] == [1, 1, 1]
    assert after[("did_router_follower_databases",)] >= 4
    assert after[("did_router_follower_databases_complete",)] == after[("did_router_follower_databases",)]


def test_state_says_who_leads_and_how_far_it_is(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    running = start_service(with_follower=True)
    running.wait_ready()
    state = eventually(lambda: (state := running.state)["state"] == "ready" and state)
    assert (state["redis"], state["database"], state["stale"]) == (True, True, False)
    assert state["follower"]["phase"] == "following"
    assert state["follower"]["complete"] == state["follower"]["databases"]
    assert state["follower"]["leader"]


def test_state_says_in_words_what_is_missing(stores: RealStores, start_service: StartService) -> None:
    running = start_service()
    eventually(lambda: "no follower" in running.state["why"])
    # Not ready in its first moment: CouchDB has not been asked yet.
    eventually(lambda: running.page("/readyz")[0] == 200)
    text = running.page("/readyz")[1]
    assert b"did-router follow" in text
    stores.couchdb.stop()
    eventually(lambda: "CouchDB" in running.state["why"])
    assert "password" not in running.page("/state")[1].decode()


def test_unknown_page_names_those_there_are(stores: RealStores, start_service: StartService) -> None:
    code, text = start_service().page("/nothing")
    assert code == 404
    assert b"/metrics" in text


@BOTH_TRANSPORTS
def test_running_calls_finish_when_it_stops(stores: RealStores, transport: str) -> None:
    stores.number()
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        service = Service(stores.settings(transport=transport, **PATIENT))
        service.start()
        caller = LookupClient(service.transport.port)
        caller.account("+14150000001")
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        calls = [caller.begin(NUMBER) for _ in range(5)]
        batch: list[list[pb.LookupOutcome]] = []
        asking = threading.Thread(target=lambda: batch.append(caller.batch([NUMBER, "+14150000009"])))
        asking.start()
        eventually(lambda: service.lookup.counts["miss"] == 1 + 5 + 2)
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        eventually(lambda: service.describe()["state"] == "draining")
        relay.release()
        answers = [outcome(each) for each in calls]
        asking.join(20)
        stopping.join(30)
        assert not stopping.is_alive()
        assert [each.account_id for each in answers if isinstance(each, pb.LookupResponse)] == [ONE] * 5
        assert batch[0][0].route.account_id == ONE
        caller.close()


@BOTH_TRANSPORTS
def test_service_that_drains_reports_not_serving(stores: RealStores, transport: str) -> None:
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        service = Service(stores.settings(transport=transport, **PATIENT))
        service.start()
        caller = LookupClient(service.transport.port)
        eventually(lambda: caller.health(SERVICE) == "SERVING")
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        call = caller.begin(NUMBER)
        eventually(lambda: service.lookup.counts["miss"] == 1)
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        eventually(lambda: service.describe()["state"] == "draining")
        assert _ready_code(service) == 503
        relay.release()
        outcome(call)
        stopping.join(30)
        assert not stopping.is_alive()
        caller.close()


def _ready_code(service: Service) -> int:
    with socket.create_connection(("127.0.0.1", service.admin.port), timeout=10) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        return int(client.makefile("rb").readline().split()[1])


@BOTH_TRANSPORTS
def test_stopped_service_takes_no_more_calls(stores: RealStores, transport: str) -> None:
    service = Service(stores.settings(transport=transport))
    service.start()
    port = service.transport.port
    service.stop()
    with socket.socket() as probe:
        assert eventually(lambda: probe.connect_ex(("127.0.0.1", port)) != 0)


@BOTH_TRANSPORTS
def test_address_that_is_taken_is_an_error_in_words(stores: RealStores, transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address):
            Service(stores.settings(transport=transport, listen=address)).start()


def test_admin_address_that_is_taken_is_an_error_in_words(stores: RealStores, transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address):
            Service(stores.settings(transport=transport, admin_listen=address)).start()


def test_two_services_share_one_redis(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    first, second = start_service(with_follower=True), start_service(with_follower=True)
    first.wait_ready()
    second.wait_ready()
    for account in (ONE, TWO):
        stores.number(account=account)
        for each in (first, second):
            eventually(lambda each=each, account=account: each.caller.account(NUMBER) == account)  # type: ignore[misc]
    assert first.state["follower"]["leader"] == second.state["follower"]["leader"]


def test_auto_takes_native_only_where_strangers_cannot_reach_it(start_service: StartService) -> None:
    pytest.importorskip("pygrpc_native", reason="pip install 'did-router[native]'")
    assert isinstance(start_service(transport="auto").service.transport, NativeTransport)
    reachable = start_service(transport="auto", listen="0.0.0.0:0", insecure=True)
    assert isinstance(reachable.service.transport, GrpcioTransport)
    wanted = start_service(transport="native", listen="0.0.0.0:0", insecure=True)
    assert isinstance(wanted.service.transport, NativeTransport)


def _account(answer: bytes) -> str:
    return pb.LookupResponse.FromString(answer).account_id
