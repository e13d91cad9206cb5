"""The cache stays right on a CouchDB cluster, whose nodes answer from copies that differ for moments."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from router.couch.changes import ChangesFeed
from router.couch.client import CouchClient
from router.couch.database import CouchDatabase
from router.couch.leaves import Leaf
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.follower import catch_up, listed_changes
from router.follower.follower import Follower
from router.follower.leader_session import LeaderSession
from router.follower.older_changes import OlderChanges
from router.follower.reconciler import Reconciler
from router.stores.clients import Stores
from tests.integration.relay import Relay
from tests.integration.waiting import eventually
from tests.integration.world import NUMBER, ONE, THREE, TWO, World

SHARD = "numbers/+1415"


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """Three nodes; the third copy of every write comes late."""
    with EmbeddedCluster(down_after=20.0, late_share=1.0, late_seconds=0.05, seed=1) as made:
        yield made


@pytest.fixture
def on_cluster(cluster: EmbeddedCluster, redis_url: str) -> Iterator[World]:
    made = World(cluster, redis_url)
    made.databases = CouchServer(CouchClient(cluster.joined_url, timeout=20))
    yield made
    made.close()


@pytest.fixture
def follow(on_cluster: World) -> Iterator[Any]:
    """Starts followers of the cluster."""
    running: list[Follower] = []

    def start(**settings: Any) -> Follower:
        wanted = on_cluster.settings(**settings)
        running.append(Follower(wanted, Stores(wanted)))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.stop()


def in_conflict(world: World, number: str) -> None:
    """Leave two revisions of a number: TWO wins, ONE stands behind it."""
    first = world.number(number, THREE)
    root = first.partition("-")[2]
    fields = {"_id": number, "pvt_type": "number", "pvt_number_state": "in_service"}
    leaves = [
        {
            **fields,
            "pvt_assigned_to": account,
            "_rev": f"2-{digest}",
            "_revisions": {"start": 2, "ids": [digest, root]},
        }
        for account, digest in ((ONE, "1" * 32), (TWO, "f" * 32))
    ]
    world.databases.client.request("POST", [SHARD, "_bulk_docs"], {"new_edits": False, "docs": leaves})


def _wait_cached(world: World, number: str, account: str, seconds: float = 10.0) -> None:
    eventually(lambda: world.cached(number) == account, seconds)


def test_a_healthy_cluster_has_nothing_made_anew(on_cluster: World, cluster: EmbeddedCluster, follow: Any) -> None:
    names = on_cluster.numbers(SHARD, 50)
    shards = [SHARD, *(f"numbers/+142{digit}" for digit in range(10))]
    for shard in shards[1:]:
        on_cluster.numbers(shard, 1)
    texts = {on_cluster.databases.client.request("GET", [SHARD])["purge_seq"] for _ in range(60)}
    assert len(texts) > 1, "the cluster names other copies from answer to answer"
    follow(follower_reconcile_interval=1.0)
    eventually(lambda: on_cluster.complete(*shards))
    epochs = [each.epoch for each in on_cluster.writer.checkpoints.get_many(shards)]
    for name in names[:10]:
        on_cluster.number(name, TWO)
        _wait_cached(on_cluster, name, TWO)
        time.sleep(0.3)
    assert [each.epoch for each in on_cluster.writer.checkpoints.get_many(shards)] == epochs


def test_an_undecided_change_is_looked_up_until_the_copies_know_it(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OlderChanges, "recheck", lambda *_: None)  # a sweep looks it up as well
    in_conflict(on_cluster, NUMBER)
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == TWO)
    before, read = on_cluster.databases.database(SHARD).leaves([NUMBER]), CouchDatabase.leaves
    looks: list[bool] = []

    def read_copies_that_lag(
        database: CouchDatabase, identifiers: Sequence[str], *, every_copy: bool = True
    ) -> dict[str, list[Leaf]]:
        looks.append(every_copy)
        return before if len(looks) <= 3 else read(database, identifiers, every_copy=every_copy)

    monkeypatch.setattr(CouchDatabase, "leaves", read_copies_that_lag)
    on_cluster.databases.database(SHARD).delete(NUMBER, "2-" + "f" * 32)
    eventually(lambda: on_cluster.cached() == ONE)
    assert len(looks) > 3


@pytest.mark.parametrize("down", [None, "killed", "frozen"])
def test_a_resolved_conflict_ends_at_the_winner(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, down: str | None
) -> None:
    numbers = [f"+1415000{index:04d}" for index in range(20)]
    for number in numbers:
        in_conflict(on_cluster, number)
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: all(on_cluster.cached(number) == TWO for number in numbers))
    on_cluster.databases = CouchServer(CouchClient(cluster.url, timeout=20))
    time.sleep(0.3)  # a write to a document of which one copy is late waits for a node that is frozen
    if down == "killed":
        cluster.kill(2)
    elif down == "frozen":
        cluster.freeze(2)
    for number in numbers:
        on_cluster.databases.database(SHARD).delete(number, "2-" + "f" * 32)
    eventually(lambda: all(on_cluster.cached(number) == ONE for number in numbers), 15)
    eventually(lambda: not on_cluster.writer.checkpoints.get(SHARD).older, 15)


def test_an_undecided_change_outlives_its_follower(on_cluster: World, cluster: EmbeddedCluster, follow: Any) -> None:
    in_conflict(on_cluster, NUMBER)
    follower = follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == TWO)
    follower.stop()
    # As if a follower had ended after the checkpoint moved past the row, and before it was decided.
    on_cluster.databases.database(SHARD).delete(NUMBER, "2-" + "f" * 32)
    checkpoint = on_cluster.writer.checkpoints.get(SHARD)
    older = on_cluster.keys.number(NUMBER)
    version = (2).to_bytes(4, "big") + bytes.fromhex("1" * 32)
    on_cluster.redis.hset(on_cluster.keys.database(SHARD), f"older:{older}", version)
    on_cluster.redis.hset(
        on_cluster.keys.database(SHARD), "seq", on_cluster.databases.database(SHARD).current_sequence()
    )
    assert on_cluster.writer.checkpoints.get(SHARD).older == {NUMBER: version}
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == ONE)
    eventually(lambda: not on_cluster.writer.checkpoints.get(SHARD).older)
    assert on_cluster.writer.checkpoints.get(SHARD).epoch == checkpoint.epoch


def test_a_shard_split_is_no_other_database(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "YOUNG_AGE", 0.5)
    on_cluster.number()
    on_cluster.account(ONE)
    time.sleep(1.6)  # start times and the server's clock count whole seconds
    follow(follower_reconcile_interval=1.0)
    eventually(lambda: on_cluster.complete(SHARD, "accounts"))
    before = [each.epoch for each in on_cluster.writer.checkpoints.get_many([SHARD, "accounts"])]
    cluster.split(SHARD)
    cluster.split("accounts")
    on_cluster.number(account=TWO)
    eventually(lambda: on_cluster.cached() == TWO)
    time.sleep(2.5)
    assert [each.epoch for each in on_cluster.writer.checkpoints.get_many([SHARD, "accounts"])] == before


def test_a_database_that_is_reported_deleted_and_exists_gets_another_feed(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "YOUNG_AGE", 0.5)
    sessions: list[LeaderSession] = []
    start = LeaderSession.start

    def start_and_record(session: LeaderSession) -> None:
        sessions.append(session)
        start(session)

    monkeypatch.setattr(LeaderSession, "start", start_and_record)
    on_cluster.number()
    time.sleep(1.6)  # start times and the server's clock count whole seconds
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.complete(SHARD))

    def feed() -> ChangesFeed | None:
        # A busy machine may have lost a lease meanwhile: the last session is the one that leads.
        return next((each.feed for each in sessions[-1].scheduler.databases() if each.name == SHARD), None)

    on_cluster.number(account=TWO)
    eventually(lambda: feed() is not None and on_cluster.cached() == TWO)
    epoch, former = on_cluster.writer.checkpoints.epoch(SHARD), feed()
    sessions[-1].scheduler.wake(SHARD, deleted=True)
    eventually(lambda: feed() not in (None, former))
    assert on_cluster.writer.checkpoints.epoch(SHARD) == epoch


def test_a_database_made_anew_within_a_second_is_noticed(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any
) -> None:
    on_cluster.number()
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == ONE)
    on_cluster.databases.database(SHARD).drop()
    on_cluster.number(account=TWO)
    eventually(lambda: on_cluster.cached() == TWO)


def test_a_frozen_node_is_passed_by_listing(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    cluster.maintenance(1)  # the follower's sequences name nodes 1 and 3
    kept, moved, deleted = on_cluster.numbers(SHARD, 3)
    follow(follower_reconcile_interval=120.0, follower_heartbeat=20.0, stale_after=2.0)
    eventually(lambda: on_cluster.complete(SHARD))
    on_cluster.number(kept, TWO)
    eventually(lambda: on_cluster.cached(kept) == TWO)
    cluster.maintenance(1, on=False)
    time.sleep(0.5)  # a write to a document of which one copy is late waits for a node that is frozen
    cluster.freeze(2)
    began = time.monotonic()
    on_cluster.databases = CouchServer(CouchClient(cluster.url, timeout=20))
    on_cluster.number(moved, THREE)
    on_cluster.remove(SHARD, deleted)
    eventually(lambda: on_cluster.cached(moved) == THREE and on_cluster.cached(deleted) == "deleted", 15)
    assert time.monotonic() - began < 15, "before the cluster calls the node down"
    assert on_cluster.cached(kept) == TWO


def test_a_change_that_a_listing_lacks_is_read_when_changes_can_be_read_again(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    monkeypatch.setattr(listed_changes, "REREAD_INTERVAL", 1.0)
    kept, moved = on_cluster.numbers(SHARD, 2)
    time.sleep(0.3)  # a copy that lags would make for a second read, and that for a feed
    before, listings = list(on_cluster.databases.database(SHARD).revisions(10)), []

    def list_a_copy_that_lags(database: CouchDatabase, page: int) -> Iterator[dict[str, str]]:
        listings.append(page)
        yield from before

    monkeypatch.setattr(CouchDatabase, "revisions", list_a_copy_that_lags)
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=4.0)
        eventually(lambda: on_cluster.complete(SHARD))
        relay.hold(lambda _, target: f"{SHARD}/_changes" in target and "since=now" not in target)
        on_cluster.number(moved, THREE)
        eventually(lambda: bool(on_cluster.writer.checkpoints.get(SHARD).stuck_seq))
        assert listings
        assert on_cluster.cached(moved) == ONE
        relay.release()
        eventually(lambda: on_cluster.cached(moved) == THREE)
        eventually(lambda: not on_cluster.writer.checkpoints.get(SHARD).stuck_seq)
        assert on_cluster.cached(kept) == ONE


def test_one_request_that_hangs_does_not_hold_a_database_up(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    on_cluster.number()
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=120.0)
        eventually(lambda: on_cluster.complete(SHARD))
        hung: list[str] = []

        def is_first_question(method: str, target: str) -> bool:
            if method != "GET" or target != f"/{SHARD}" or hung:
                return False
            hung.append(target)
            return True

        relay.hold(is_first_question)
        on_cluster.number(account=TWO)
        _wait_cached(on_cluster, NUMBER, TWO, 5.0)
        assert hung


def test_sweeps_of_an_idle_cluster_ask_for_nothing_else(
    on_cluster: World, cluster: EmbeddedCluster, follow: Any
) -> None:
    on_cluster.numbers(SHARD, 5)
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=1.0)
        eventually(lambda: on_cluster.complete(SHARD))
        eventually(lambda: len(on_cluster.writer.checkpoints.get(SHARD).copies) >= 2, 20)

        def is_quiet_for_three_sweeps() -> bool:
            sweeps, looks = relay.count("POST /_dbs_info"), relay.count(r"GET /numbers/\+1415")
            eventually(lambda: relay.count("POST /_dbs_info") >= sweeps + 3, 20)
            return relay.count(r"GET /numbers/\+1415") == looks

        eventually(is_quiet_for_three_sweeps, 40)


def test_a_sweep_that_is_asked_for_ends_the_one_that_sleeps(on_cluster: World) -> None:
    stores = Stores(on_cluster.settings())
    sweeper = Reconciler(
        stores.databases, stores.writer, Mock(), Mock(lock=MagicMock()), Mock(), Mock(), Mock(), interval=60.0
    )
    sleeping = threading.Thread(target=sweeper._sweep, kwargs={"hurry": False}, daemon=True)
    sleeping.start()
    sleeping.join(0.5)
    assert sleeping.is_alive()
    sweeper.request_sweep()
    sleeping.join(1.0)
    assert not sleeping.is_alive()
