"""A client of several nodes leaves one that dies, hangs, or is in maintenance mode."""

import threading
import time
from collections.abc import Collection, Iterator

import pytest

from router.cli.check_couchdb import couchdb_findings
from router.couch.changes import ChangesFeed
from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.settings import Settings
from router.stores.clients import Stores
from tests.support.waiting import eventually

SHARD = "numbers/+1415"


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(down_after=1.0) as made:
        yield made


@pytest.fixture
def databases(cluster: EmbeddedCluster) -> CouchServer:
    made = CouchServer(CouchClient(cluster.joined_url, timeout=10.0))
    made.database(SHARD).create()
    made.database(SHARD).put({"_id": "+14158867900", "pvt_assigned_to": "1" * 32})
    return made


def _address(cluster: EmbeddedCluster, node: int) -> str:
    return "http://" + cluster.urls[node].rpartition("@")[2] + "/"


def test_check_is_not_held_up_by_a_node_that_hangs(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    cluster.freeze(1)
    settings = Settings.load(None, couchdb_url=cluster.joined_url)
    began = time.monotonic()
    found = list(couchdb_findings(settings, Stores(settings)))

    assert time.monotonic() - began < 20, "30 s is what the follower waits for one answer"
    what = f"CouchDB node {_address(cluster, 1).rstrip('/')}"
    assert [each.ok for each in found if each.subject == what] == [False]
    assert sum(each.subject == "max_write_delay" for each in found) == 2, "of those that answer"


def test_requests_go_by_turns(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    nodes = databases.client.nodes
    assert sorted(nodes.choose() for _ in range(3)) == sorted(_address(cluster, node) for node in range(3))


def test_node_that_died_costs_nothing(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    for _ in range(6):
        databases.database(SHARD).get("+14158867900")
    cluster.kill(1)
    for index in range(12):
        databases.database(SHARD).get("+14158867900")
        # A write whose connection was idle when the node died was not sent there.
        databases.database(SHARD).put({"_id": f"+1415886{index:04}"})


def test_node_that_hangs_is_left_within_its_time(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    for _ in range(6):
        databases.database(SHARD).get("+14158867900")
    cluster.freeze(2)
    slowest = 0.0
    for _ in range(30):
        began = time.monotonic()
        databases.database(SHARD).get("+14158867900")
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5.0, "not the ten seconds of the client's patience"
    assert _address(cluster, 2) in databases.client.nodes.down()
    cluster.thaw(2)
    eventually(lambda: not databases.client.nodes.down())


def _follow(cluster: EmbeddedCluster, databases: CouchServer) -> tuple[threading.Event, int]:
    """Read a feed in a thread; return an event that is set when its connection is lost, and the feed's node."""
    feed = ChangesFeed(databases.client, SHARD, "0", heartbeat=30.0)
    chosen: list[str] = []
    choose = databases.client.nodes.choose

    def spy(tried: Collection[str] = ()) -> str:
        chosen.append(choose(tried))
        return chosen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databases.client.nodes, "choose", spy)
        feed.open()
    (address,) = chosen
    ended = threading.Event()

    def read() -> None:
        try:
            for _ in feed.changes():
                pass
        except CouchError:
            ended.set()

    threading.Thread(target=read, daemon=True).start()
    return ended, [_address(cluster, node) for node in range(3)].index(address)


def test_feed_leaves_a_node_that_hangs(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    databases.database(SHARD).get("+14158867900")
    ended, node = _follow(cluster, databases)
    cluster.freeze((node + 1) % 3)
    assert not ended.wait(0.5), "it is on another node"
    cluster.thaw((node + 1) % 3)
    cluster.freeze(node)
    assert ended.wait(6.0), "the feed stayed there"


def test_node_in_maintenance_mode_gets_no_requests(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    databases.database(SHARD).get("+14158867900")
    cluster.maintenance(0)
    eventually(lambda: _address(cluster, 0) in databases.client.nodes.down())
    assert {databases.client.nodes.choose() for _ in range(9)} == {_address(cluster, node) for node in (1, 2)}
    cluster.maintenance(0, on=False)
    eventually(lambda: not databases.client.nodes.down())


def test_node_that_is_cut_off_gets_no_requests(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    databases.database(SHARD).get("+14158867900")
    cluster.isolate(1)
    eventually(lambda: _address(cluster, 1) in databases.client.nodes.down(), 3.0)
    revision = databases.database(SHARD).put({"_id": "+14158867901", "pvt_assigned_to": "1" * 32})
    assert {databases.database(SHARD).get("+14158867901")["_rev"] for _ in range(9)} == {revision}
    cluster.join(1)
    eventually(lambda: not databases.client.nodes.down())


def test_last_node_left_is_used_though_it_is_cut_off(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    databases.database(SHARD).get("+14158867900")
    for node in (0, 2):
        cluster.kill(node)
    eventually(lambda: len(databases.client.nodes.down()) == 3)
    assert {databases.client.nodes.choose() for _ in range(9)} == {_address(cluster, 1)}
    assert databases.database(SHARD).get("+14158867900")["pvt_assigned_to"] == "1" * 32


def test_feed_leaves_a_node_that_is_cut_off(cluster: EmbeddedCluster, databases: CouchServer) -> None:
    databases.database(SHARD).get("+14158867900")
    ended, node = _follow(cluster, databases)
    cluster.isolate((node + 1) % 3)
    assert not ended.wait(0.5), "it is on another node"
    cluster.join((node + 1) % 3)
    cluster.isolate(node)
    assert ended.wait(4.0), "the feed stayed there"


def test_nodes_of_a_dropped_client_are_not_asked_any_more(cluster: EmbeddedCluster) -> None:
    couch = CouchClient(cluster.joined_url, timeout=5.0)
    CouchServer(couch).version()
    name = f"couchdb node {_address(cluster, 0).split('/')[2]}"
    assert any(thread.name == name for thread in threading.enumerate())
    del couch
    eventually(lambda: not any(thread.name == name for thread in threading.enumerate()))
