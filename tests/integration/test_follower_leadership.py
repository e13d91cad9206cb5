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
from tests.integration.relay import Relay
from tests.integration.world import ONE, THREE, TWO, World
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
OTHER = "+14420000001"


def wait_for_late_events() -> None:
    """The feed of updates tells half a second late, and would have the next follower look for another reason."""
    time.sleep(1.0)


def test_follower_restarted_resumes_at_its_checkpoints(world: World, start_follower: StartFollower) -> None:
    world.numbers(SHARD, 500)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        follower = start_follower()
        eventually(lambda: world.complete(SHARD, "accounts", "port_requests", "system_config"))
        follower.stop()
        kept = world.writer.checkpoints.get(SHARD)
        world.number(account=TWO)
        relay.seen.clear()
        start_follower()
        eventually(lambda: world.cached() == TWO)
        result = eventually(world.status)
        assert result.applied <= 1
        assert relay.count(r"_changes\?.*since=0\b") == 0
        assert world.writer.checkpoints.get(SHARD).epoch == kept.epoch


def test_follower_restarted_reads_only_what_changed(world: World, start_follower: StartFollower) -> None:
    world.numbers(SHARD, 50)
    world.numbers("numbers/+1442", 50)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        follower = start_follower()
        eventually(lambda: world.complete(SHARD, "numbers/+1442"))
        follower.stop()
        wait_for_late_events()
        relay.seen.clear()
        start_follower()
        world.number(OTHER, TWO)
        eventually(lambda: world.cached(OTHER) == TWO)
        assert relay.count(r"GET /numbers/\+1415/_changes") == 0


def test_follower_restarted_applies_changes_made_meanwhile(world: World, start_follower: StartFollower) -> None:
    world.number()
    world.number("+14150000001")
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    follower.stop()
    world.number(account=TWO)
    world.remove(SHARD, "+14150000001")
    world.number(OTHER, THREE)
    start_follower()
    eventually(lambda: world.cached() == TWO)
    eventually(lambda: world.cached("+14150000001") == "deleted")
    eventually(lambda: world.cached(OTHER) == THREE)


def test_second_follower_stands_by(world: World, start_follower: StartFollower) -> None:
    world.number()
    first = start_follower()
    assert first.leading.wait(5)
    second = start_follower()
    eventually(lambda: world.cached() == ONE)
    assert not second.leading.is_set()
    first.stop()
    assert second.leading.wait(10)
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)


def _process(world: World) -> "subprocess.Popen[bytes]":
    settings = [f"--set=follower_{name}" for name in ("lease_ttl=1", "heartbeat=0.5", "reconcile_interval=1")]
    stores = ["--couchdb-url", world.couchdb_url, "--redis-url", world.redis_url, "--redis-prefix", world.prefix]
    return subprocess.Popen([sys.executable, "-m", "router.cli", "follow", *stores, *settings, "--log-level=error"])


def test_leader_killed_another_takes_over(world: World, start_follower: StartFollower) -> None:
    world.number()
    first = _process(world)
    eventually(lambda: world.cached() == ONE, 20)
    second = start_follower()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    world.number(account=TWO)
    world.number(OTHER, THREE)
    eventually(lambda: world.cached() == TWO, 20)
    eventually(lambda: world.cached(OTHER) == THREE)
    assert second.leading.is_set()


def test_leader_thawed_after_its_lease_steps_back(world: World, start_follower: StartFollower) -> None:
    world.number()
    first = _process(world)
    try:
        eventually(lambda: world.cached() == ONE, 20)
        freeze(first.pid)
        second = start_follower()
        assert second.leading.wait(10)
        world.number(account=TWO)
        eventually(lambda: world.cached() == TWO)
        thaw(first.pid)
        for account in (THREE, ONE, TWO):
            world.number(account=account)
            eventually(lambda account=account: world.cached() == account)  # type: ignore[misc]
        assert second.leading.is_set()
    finally:
        first.kill()
        first.wait()


def test_leader_terminated_releases_its_lease(world: World) -> None:
    world.number()
    process = _process(world)
    eventually(lambda: world.cached() == ONE, 20)
    process.terminate()
    assert process.wait(20) == 0
    assert not world.redis.exists(world.keys.lease)


def test_stale_fencing_token_is_refused(world: World, start_follower: StartFollower) -> None:
    world.number()
    old = Lease(world.redis, world.keys, 30.0, "old")
    token = old.acquire()
    old.release()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    late = Applier(world.writer, world.reader, world.databases, token, Policy())
    page = world.databases.database(SHARD).changes("0", 10)
    kept = world.writer.checkpoints.get(SHARD)
    with pytest.raises(FencedError):
        late.apply(SHARD, kept, page.changes)
    with pytest.raises(FencedError):
        late.begin_epoch(SHARD, instance="1", purges=0, fingerprint="s")
    with pytest.raises(FencedError):
        late.apply_documents("accounts", world.writer.checkpoints.get("accounts"), [], seq="x")
    assert world.writer.checkpoints.get(SHARD) == kept
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)


def test_leader_losing_its_lease_leads_again_with_greater_token(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.cached() == ONE)
    world.redis.delete(world.keys.lease)
    usurper = Lease(world.redis, world.keys, 0.5, "usurper")
    token = eventually(usurper.acquire)
    assert (
        world.writer.checkpoints.begin_epoch(SHARD, token, instance_start_time="", purge_seq=0, fingerprint="")
        is not None
    )
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO, 20)
    assert int(world.redis.hget(world.keys.database(SHARD), "fence")) > token


def test_follower_restarted_with_other_policy_rebuilds(world: World, start_follower: StartFollower) -> None:
    world.number()
    follower = start_follower()
    eventually(lambda: world.complete(SHARD))
    # Only with the database's last state noted does the next follower pass it over.
    eventually(lambda: world.writer.checkpoints.get(SHARD).copies == world.databases.database(SHARD).info().copies)
    assert world.cached() == ONE
    follower.stop()
    wait_for_late_events()
    start_follower(routable_states=["reserved"])
    eventually(lambda: world.cached() == "refusal")
