"""A Redis Cluster of which no node can be reached, and that comes back: nobody's thread ends by it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from router.redis_store.client import connect, server_id
from router.server.app import Service
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.support.waiting import eventually
from tests.topologies.owned_numbers import OWNERS, change_owners, found
from tests.topologies.servers import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as nodes:
        yield nodes


def test_lookups_are_answered_and_the_follower_leads_again(
    cluster: Cluster, service: Service, stub: InboundRouterStub
) -> None:
    follower = service.follower
    assert follower is not None
    eventually(lambda: service.readiness.state.name == "ready", 20)
    eventually(lambda: found(stub) == {(OWNERS[0], pb.REDIS)}, 20)

    cluster.stop()
    # Each of them is answered: what else would be an error here.
    eventually(
        lambda: {source for _, source in found(stub)} == {pb.NUMBER_DATABASE} and not follower.leading.is_set(), 20
    )
    eventually(lambda: not service.readiness.state.redis, 20)
    change_owners(service.stores.databases)
    assert found(stub) == {(OWNERS[1], pb.NUMBER_DATABASE)}

    cluster.start()
    eventually(follower.leading.is_set, 20)
    eventually(lambda: found(stub) == {(OWNERS[1], pb.REDIS)}, 20)
    eventually(lambda: service.readiness.state.name == "ready", 20)


WAYS: dict[str, Callable[[Any], object]] = {
    "a command": lambda client: client.get("key"),
    "a script": lambda client: client.evalsha("0" * 40, 1, "key"),
    "a pipeline": lambda client: client.pipeline(transaction=False).get("key").execute(),
    "a pipeline that keeps errors": lambda client: client.pipeline().get("key").execute(raise_on_error=False),
    "many keys": lambda client: client.mget_nonatomic(["one", "two"]),
    "a walk through a key": lambda client: list(client.hscan_iter("key")),
    "a walk through all": lambda client: list(client.scan_iter()),
    "every node": server_id,
}


def test_every_way_of_asking_says_that_redis_is_away(cluster: Cluster) -> None:
    clients = {way: connect(cluster.url, timeout=1) for way in WAYS}
    for client in clients.values():
        client.set("key", "")

    cluster.stop()

    for way, ask in WAYS.items():
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                ask(clients[way])

    cluster.start()
    for client in clients.values():
        eventually(lambda client=client: client.set("key", ""), 20)  # type: ignore[misc]
