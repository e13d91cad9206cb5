"""Followers that restart, stand by, are killed or frozen: what the next leader does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from router.follower.applier import Applier, FencedError
from router.numbers.routes import Policy
from router.redis_store.lease import Lease
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
OTHER = "+14420000001"


def wait_for_late_events() -> None:
    """The feed of updates tells half a second late, and would have the next follower look for another reason."""
    time.sleep(1.0)


def test_follower_restarted_resumes_at_its_checkpoints(stores: RealStores, start_follower: StartFollower) -> None:
    stores.numbers(SHARD, 500)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        follower = start_follower()
        eventually(lambda: stores.complete(SHARD, "accounts", "port_requests", "system_config"))
        follower.stop()
        kept = stores.writer.checkpoints.get(SHARD)
        stores.number(account=TWO)
        relay.seen.clear()
        start_follower()
        eventually(lambda: stores.cached() == TWO)
        result = eventually(stores.status)
        assert result.applied <= 1
        assert relay.count(r"_changes\?.*since=0\b") == 0
        assert stores.writer.checkpoints.get(SHARD).epoch == kept.epoch


def test_follower_restarted_reads_only_what_changed(stores: RealStores, start_follower: StartFollower) -> None:
    stores.numbers(SHARD, 50)
    stores.numbers("numbers/+1442", 50)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        follower = start_follower()
        eventually(lambda: stores.complete(SHARD, "numbers/+1442"))
        follower.stop()
        wait_for_late_events()
        relay.seen.clear()
        start_follower()
        stores.number(OTHER, TWO)
        eventually(lambda: stores.cached(OTHER) == TWO)
        assert relay.count(r"GET /numbers/\+1415/_changes") == 0


def test_follower_restarted_applies_changes_made_meanwhile(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    stores.number("+14150000001")
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    follower.stop()
    stores.number(account=TWO)
    stores.remove(SHARD, "+14150000001")
    stores.number(OTHER, THREE)
    start_follower()
    eventually(lambda: stores.cached() == TWO)
    eventually(lambda: stores.cached("+14150000001") == "deleted")
    eventually(lambda: stores.cached(OTHER) == THREE)


def test_second_follower_stands_by(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    first = start_follower()
    assert first.leading.wait(5)
    second = start_follower()
    eventually(lambda: stores.cached() == ONE)
    assert not second.leading.is_set()
    first.stop()
    assert second.leading.wait(10)
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)


def _process(stores: RealStores) -> "subprocess.Popen[bytes]":
    settings = [f"--set=follower_{name}" for name in ("lease_ttl=1", "heartbeat=0.5", "reconcile_interval=1")]
    return subprocess.Popen(
        [sys.executable, "-m", "router.cli", "follow", *stores.options, *settings, "--log-level=error"]
    )


def test_leader_killed_another_takes_over(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    first = _process(stores)
    eventually(lambda: stores.cached() == ONE, 20)
    second = start_follower()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    stores.number(account=TWO)
    stores.number(OTHER, THREE)
    eventually(lambda: stores.cached() == TWO, 20)
    eventually(lambda: stores.cached(OTHER) == THREE)
    assert second.leading.is_set()


def test_leader_thawed_after_its_lease_steps_back(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    first = _process(stores)
    try:
        eventually(lambda: stores.cached() == ONE, 20)
        freeze(first.pid)
        second = start_follower()
        assert second.leading.wait(10)
        stores.number(account=TWO)
        eventually(lambda: stores.cached() == TWO)
        thaw(first.pid)
        for account in (THREE, ONE, TWO):
            stores.number(account=account)
            eventually(lambda account=account: stores.cached() == account)  # type: ignore[misc]
        assert second.leading.is_set()
    finally:
        first.kill()
        first.wait()


def test_leader_terminated_releases_its_lease(stores: RealStores) -> None:
    stores.number()
    process = _process(stores)
    eventually(lambda: stores.cached() == ONE, 20)
    process.terminate()
    assert process.wait(20) == 0
    assert not stores.redis.exists(stores.keys.lease)


def test_stale_fencing_token_is_refused(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    old = Lease(stores.redis, stores.keys, 30.0, "old")
    token = old.acquire()
    old.release()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    late = Applier(stores.writer, stores.reader, stores.databases, token, Policy())
    page = stores.databases.database(SHARD).changes("0", 10)
    kept = stores.writer.checkpoints.get(SHARD)
    with pytest.raises(FencedError):
        late.apply(SHARD, kept, page.changes)
    with pytest.raises(FencedError):
        late.begin_epoch(SHARD, instance="1", purges=0, fingerprint="s")
    with pytest.raises(FencedError):
        late.apply_documents("accounts", stores.writer.checkpoints.get("accounts"), [], seq="x")
    assert stores.writer.checkpoints.get(SHARD) == kept
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)


def test_leader_losing_its_lease_leads_again_with_greater_token(
    stores: RealStores, start_follower: StartFollower
) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    stores.redis.delete(stores.keys.lease)
    usurper = Lease(stores.redis, stores.keys, 0.5, "usurper")
    token = eventually(usurper.acquire)
    assert (
        stores.writer.checkpoints.begin_epoch(SHARD, token, instance_start_time="", purge_seq=0, fingerprint="")
        is not None
    )
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO, 20)
    assert int(stores.redis.hget(stores.keys.database(SHARD), "fence")) > token


def test_follower_restarted_with_other_policy_rebuilds(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD))
    # Only with the database's last state noted does the next follower pass it over.
    eventually(lambda: stores.writer.checkpoints.get(SHARD).copies == stores.databases.database(SHARD).info().copies)
    assert stores.cached() == ONE
    follower.stop()
    wait_for_late_events()
    start_follower(routable_states=["reserved"])
    eventually(lambda: stores.cached() == "refusal")
