"""The cache stays right on a CouchDB cluster, whose nodes answer from copies that differ for moments."""

import threading
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from router.couch.client import CouchClient
from router.couch.database import CouchDatabase
from router.couch.leaves import Leaf
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.follower import catch_up
from router.follower.older_changes import OlderChanges
from router.follower.reconciler import Reconciler
from router.stores.clients import Stores
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
SHARD_PATTERN = r"numbers/\+1415"


def in_conflict(stores: RealStores, number: str) -> None:
    """Leave two revisions of a number: TWO wins, ONE stands behind it."""
    first = stores.number(number, THREE)
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
    stores.databases.client.request("POST", [SHARD, "_bulk_docs"], {"new_edits": False, "docs": leaves})


def _wait_cached(stores: RealStores, number: str, account: str, seconds: float = 10.0) -> None:
    eventually(lambda: stores.cached(number) == account, seconds)


def test_healthy_cluster_has_nothing_made_anew(on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any) -> None:
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


def test_undecided_change_is_looked_up_until_the_copies_know_it(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OlderChanges, "recheck", lambda *_: None)  # a sweep looks it up as well
    looks_again, looking_again = OlderChanges._look_again, threading.local()

    def note_and_look_again(older: OlderChanges, pending: Any) -> None:
        looking_again.looks = pending.looks + 1
        looks_again(older, pending)

    monkeypatch.setattr(OlderChanges, "_look_again", note_and_look_again)
    in_conflict(on_cluster, NUMBER)
    follow(follower_reconcile_interval=120.0, follower_lease_ttl=60.0)  # a new session would have to sweep
    eventually(lambda: on_cluster.cached() == TWO)
    before, read = on_cluster.databases.database(SHARD).leaves([NUMBER]), CouchDatabase.leaves

    def read_copies_that_lag(
        database: CouchDatabase, identifiers: Sequence[str], *, every_copy: bool = True
    ) -> dict[str, list[Leaf]]:
        # A feed may repeat the row: only the third look again finds what the copies know by then.
        knows = getattr(looking_again, "looks", 0) >= 3
        return read(database, identifiers, every_copy=every_copy) if knows else before

    monkeypatch.setattr(CouchDatabase, "leaves", read_copies_that_lag)
    on_cluster.databases.database(SHARD).delete(NUMBER, "2-" + "f" * 32)
    eventually(lambda: on_cluster.cached() == ONE, 30)


@pytest.mark.parametrize("down", [None, "killed", "frozen"])
def test_resolved_conflict_ends_at_the_winner(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, down: str | None
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


def test_conflict_resolved_in_one_copy_first_is_asked_for_again(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any
) -> None:
    """CouchDB waits for the third copy where two differ, and that one is frozen: the first look gets no response."""
    in_conflict(on_cluster, NUMBER)
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == TWO)
    on_cluster.databases = CouchServer(CouchClient(cluster.url, timeout=20))
    time.sleep(0.3)  # a write to a document of which one copy is late waits for a node that is frozen
    cluster.lag(1, 1.5)
    cluster.freeze(2)
    on_cluster.databases.database(SHARD).delete(NUMBER, "2-" + "f" * 32)
    eventually(lambda: on_cluster.cached() == ONE, 5)
    eventually(lambda: not on_cluster.writer.checkpoints.get(SHARD).older, 5)


def test_undecided_change_outlives_its_follower(on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any) -> None:
    in_conflict(on_cluster, NUMBER)
    follower = follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == TWO)
    follower.stop()
    # As if a follower had ended after the checkpoint moved past the row, and before it was decided.
    on_cluster.databases.database(SHARD).delete(NUMBER, "2-" + "f" * 32)
    time.sleep(0.5)  # the third copy has it, so that no sequence is from before it
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


def test_shard_split_is_no_other_database(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
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


def test_database_made_anew_within_a_second_is_noticed(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any
) -> None:
    on_cluster.number()
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.cached() == ONE)
    on_cluster.databases.database(SHARD).drop()
    on_cluster.number(account=TWO)
    eventually(lambda: on_cluster.cached() == TWO)


def test_sweeps_of_an_idle_cluster_ask_for_nothing_else(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any
) -> None:
    on_cluster.numbers(SHARD, 5)
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=1.0)
        eventually(lambda: on_cluster.complete(SHARD))
        eventually(lambda: len(on_cluster.writer.checkpoints.get(SHARD).copies) >= 2, 20)

        def is_quiet_for_three_sweeps() -> bool:
            sweeps, looks = relay.count("POST /_dbs_info"), relay.count(f"GET /{SHARD_PATTERN}")
            eventually(lambda: relay.count("POST /_dbs_info") >= sweeps + 3, 20)
            return relay.count(f"GET /{SHARD_PATTERN}") == looks

        eventually(is_quiet_for_three_sweeps, 40)


def test_sweep_that_is_asked_for_ends_the_one_that_sleeps(on_cluster: RealStores) -> None:
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
