"""A Redis Cluster whose nodes all come back at other addresses, such as restarted containers; its name leads there."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from router.redis_store.client import connect, server_id
from router.server.app import Service
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.support.waiting import eventually
from tests.topologies.owned_numbers import OWNERS, change_owners, found
from tests.topologies.servers import Cluster, server

NAME = "redis.example"
BEFORE, AFTER = "127.0.0.1", "127.0.0.2"


class Moving:
    """A cluster behind a name, and the same name for another one elsewhere."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._address = BEFORE
        resolve = socket.getaddrinfo

        def resolved(host: Any, *message: Any, **options: Any) -> Any:
            return resolve(self._address if host == NAME else host, *message, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        self._nodes = self._running.enter_context(Cluster(folder, host=BEFORE))
        self.url = f"redis+cluster://{NAME}:{self._nodes.port}"

    def stop(self) -> None:
        """End every node there is."""
        self._running.close()

    @contextmanager
    def replaced_by_an_empty_node(self, folder: Path) -> Iterator[None]:
        """While the block runs, the name leads to a node that is not part of a cluster yet."""
        self.stop()
        folder.mkdir()
        with server(folder, self._nodes.port, "--cluster-enabled", "yes", "--appendonly", "no", host=AFTER):
            self._address = AFTER
            yield

    def move(self) -> None:
        """All nodes are gone; others are elsewhere, one of them where the name leads from now on."""
        self.stop()
        self._running.enter_context(Cluster(self._folder, host=AFTER, first=self._nodes.port))
        self._address = AFTER


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moving]:
    made = Moving(tmp_path, monkeypatch)
    yield made
    made.stop()


WAYS: dict[str, Callable[[Any], object]] = {
    "a command": lambda client: client.set("key", "value"),
    "many keys": lambda client: client.mget_nonatomic(["key", "another"]),
    "a pipeline": lambda client: client.pipeline(transaction=False).set("key", "value").execute(),
    "every node": server_id,
}


def test_every_way_of_asking_finds_the_nodes_again(cluster: Moving) -> None:
    clients = {way: connect(cluster.url, timeout=1) for way in WAYS}
    for way, ask in WAYS.items():
        assert ask(clients[way])

    cluster.stop()
    for way, ask in WAYS.items():
        with pytest.raises(redis.ConnectionError):
            ask(clients[way])

    cluster.move()
    for way, ask in WAYS.items():
        eventually(lambda ask=ask, client=clients[way]: _succeeds(ask, client), 20)  # type: ignore[misc]
        hosts = {node.host for node in cast("Any", clients[way]).get_nodes()}
        assert hosts == {AFTER}


def test_node_without_the_expected_slots_counts_as_away(cluster: Moving, tmp_path: Path) -> None:
    clients = {way: connect(cluster.url, timeout=1) for way in WAYS}
    for way, ask in WAYS.items():
        assert ask(clients[way])
    fresh = connect(cluster.url, timeout=1)
    with cluster.replaced_by_an_empty_node(tmp_path / "empty"):
        for client in (*clients.values(), fresh):
            for ask in WAYS.values():
                for _ in range(2):
                    with pytest.raises(redis.RedisError):
                        ask(client)
    cluster.move()
    for way, ask in WAYS.items():
        eventually(lambda ask=ask, client=clients[way]: _succeeds(ask, client), 20)  # type: ignore[misc]
    eventually(lambda: _succeeds(WAYS["many keys"], fresh), 20)


def test_nodes_that_are_known_need_no_name(cluster: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = connect(cluster.url, timeout=1)
    client.set("key", "value")
    monkeypatch.setattr(cluster, "_address", AFTER)  # where nobody is
    client.nodes_manager.initialize()
    assert client.get("key") == b"value"


def test_lookups_are_answered_from_it_and_the_follower_leads_again(
    cluster: Moving, service: Service, stub: InboundRouterStub
) -> None:
    eventually(lambda: service.readiness.state.name == "ready", 20)
    eventually(lambda: found(stub) == {(OWNERS[0], pb.REDIS)}, 20)

    cluster.move()
    eventually(lambda: service.readiness.state.name == "ready", 20)
    eventually(lambda: found(stub) == {(OWNERS[0], pb.REDIS)}, 20)
    change_owners(service.stores.databases)
    eventually(lambda: found(stub) == {(OWNERS[1], pb.REDIS)}, 20)


def _succeeds(ask: Callable[[Any], object], client: Any) -> bool:
    try:
        return bool(ask(client))
    except redis.RedisError:
        return False
