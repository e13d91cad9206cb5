"""A Redis Cluster of which no node can be reached, and that comes back: nobody's thread ends by it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from router.cache.connect import connect, server_of
from router.couch.client import Couch
from router.couch.databases import Databases
from router.embedded import EmbeddedCouchDB
from router.service.service import Service
from router.settings import Settings
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.topologies.servers import Cluster

OWNERS = ["a" * 32, "b" * 32]
SHARDS = [f"numbers/+141{digit}" for digit in range(6)]
NUMBERS = [f"{shard.removeprefix('numbers/')}8867900" for shard in SHARDS]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def couchdb() -> Iterator[str]:
    with EmbeddedCouchDB() as couchdb:
        databases = Databases(Couch(couchdb.url, time_limit=5))
        for shard, number in zip(SHARDS, NUMBERS, strict=True):
            databases.create(shard)
            databases.put(shard, {"_id": number, "pvt_number_state": "in_service", "pvt_assigned_to": OWNERS[0]})
        yield couchdb.url


@pytest.fixture
def service(cluster: Cluster, couchdb: str) -> Iterator[Service]:
    settings = Settings.load(
        couchdb_url=couchdb,
        redis_url=cluster.url,
        listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
        follower_heartbeat=0.5,
        follower_lease=1.5,
        stale_after=1,
    )
    running = Service(settings, with_follower=True)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def stub(service: Service) -> Iterator[InboundRouterStub]:
    with grpc.insecure_channel(f"127.0.0.1:{service.transport.port}") as channel:
        yield InboundRouterStub(channel)


def test_lookups_are_answered_and_the_follower_leads_again(
    cluster: Cluster, service: Service, stub: InboundRouterStub
) -> None:
    follower = service.follower
    assert follower is not None
    _until(lambda: service.readiness.state.name == "ready")
    _until(lambda: _found(stub) == {(OWNERS[0], pb.REDIS)})

    cluster.stop()
    # Each of them is answered: what else would be an error here.
    _until(lambda: {source for _, source in _found(stub)} == {pb.NUMBER_DATABASE} and not follower.leading.is_set())
    _until(lambda: not service.readiness.state.redis)
    _change_owners(service.stores.databases)
    assert _found(stub) == {(OWNERS[1], pb.NUMBER_DATABASE)}

    cluster.start()
    _until(follower.leading.is_set)
    _until(lambda: _found(stub) == {(OWNERS[1], pb.REDIS)})
    _until(lambda: service.readiness.state.name == "ready")


WAYS: dict[str, Callable[[Any], object]] = {
    "a command": lambda client: client.get("key"),
    "a script": lambda client: client.evalsha("0" * 40, 1, "key"),
    "a pipeline": lambda client: client.pipeline(transaction=False).get("key").execute(),
    "a pipeline that keeps errors": lambda client: client.pipeline().get("key").execute(raise_on_error=False),
    "many keys": lambda client: client.mget_nonatomic(["one", "two"]),
    "a walk through a key": lambda client: list(client.hscan_iter("key")),
    "a walk through all": lambda client: list(client.scan_iter()),
    "every node": server_of,
}


def test_every_way_of_asking_says_that_redis_is_away(cluster: Cluster) -> None:
    clients = {way: connect(cluster.url, time_limit=1) for way in WAYS}
    for client in clients.values():
        client.set("key", "")

    cluster.stop()

    for way, ask in WAYS.items():
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                ask(clients[way])

    cluster.start()
    for client in clients.values():
        _until(lambda client=client: client.set("key", ""))  # type: ignore[misc]


def _change_owners(databases: Databases) -> None:
    for shard, number in zip(SHARDS, NUMBERS, strict=True):
        databases.put(shard, {**databases.document(shard, number), "pvt_assigned_to": OWNERS[1]})


def _found(stub: InboundRouterStub) -> set[tuple[str, int]]:
    routes = [stub.Lookup(pb.LookupRequest(number=number), timeout=5) for number in NUMBERS]
    return {(route.account_id, route.source) for route in routes}


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
