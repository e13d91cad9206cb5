"""Redis, CouchDB and followers stop, lose their memory and come back; the cache heals by itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.follower.applier import Applier, FencedError
from router.numbers.routes import Policy
from router.redis_store.lease import Lease
from tests.integration.conftest import StartFollower
from tests.integration.relay import Relay
from tests.integration.waiting import eventually
from tests.integration.world import NUMBER, ONE, THREE, TWO, World
from tests.processes import freeze, thaw
from tests.topologies.servers import free_port

SHARD = "numbers/+1415"
OTHER = "+14420000001"


def wait_for_late_events() -> None:
    """The feed of updates tells half a second late, and would have the next follower look for another reason."""
    time.sleep(1.0)


def test_a_restarted_follower_goes_on_from_its_checkpoints(world: World, start_follower: StartFollower) -> None:
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


def test_a_restarted_follower_reads_nothing_of_what_did_not_change(world: World, start_follower: StartFollower) -> None:
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


def test_changes_made_while_no_follower_ran(world: World, start_follower: StartFollower) -> None:
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


def test_a_flushed_redis_is_filled_again(world: World, start_follower: StartFollower) -> None:
    world.numbers(SHARD, 20)
    world.number()
    world.number(OTHER, TWO)
    world.account(THREE, enabled=False)
    start_follower()
    eventually(lambda: world.complete(SHARD, "numbers/+1442", "accounts"))
    for _ in range(2):
        world.redis.flushall()
        eventually(lambda: world.cached() == ONE and world.cached(OTHER) == TWO)
        eventually(lambda: world.redis.hexists(world.keys.documents("accounts"), THREE))
        eventually(lambda: world.complete(SHARD, "numbers/+1442", "accounts"))
    world.number(account=THREE)
    eventually(lambda: world.cached() == THREE)


@pytest.fixture
def own_redis(couchdb: EmbeddedCouchDB) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as first:
        port = first.port
    with EmbeddedRedis(port) as server:
        yield server


def test_a_redis_that_stops_and_comes_back_empty_is_filled_again(
    world: World, own_redis: EmbeddedRedis, start_follower: StartFollower
) -> None:
    healing = World(world.couchdb, own_redis.url)
    world.redis_url, world.prefix = own_redis.url, healing.prefix
    healing.number()
    start_follower()
    eventually(lambda: healing.cached() == ONE)
    own_redis.stop()
    healing.number(account=TWO)
    healing.number(OTHER, THREE)
    own_redis.start()
    eventually(lambda: healing.cached() == TWO, 20)
    eventually(lambda: healing.cached(OTHER) == THREE)
    healing.number(account=THREE)
    eventually(lambda: healing.cached() == THREE)
    healing.close()


def test_a_redis_that_hangs_is_caught_up_with(
    world: World, own_redis: EmbeddedRedis, start_follower: StartFollower
) -> None:
    healing = World(world.couchdb, own_redis.url)
    world.redis_url, world.prefix = own_redis.url, healing.prefix
    healing.number()
    start_follower()
    eventually(lambda: healing.cached() == ONE)
    freeze(own_redis.pid)
    healing.number(account=TWO)
    thaw(own_redis.pid)
    eventually(lambda: healing.cached() == TWO, 20)
    healing.close()


def test_a_redis_that_comes_back_with_older_data_is_caught_up_with(
    world: World, couchdb: EmbeddedCouchDB, tmp_path: Path, start_follower: StartFollower
) -> None:
    """What it acknowledged in the last second may be gone, with the checkpoint that told of it; the lease is not."""
    kept, before = tmp_path / "kept", tmp_path / "before"
    with EmbeddedRedis(free_port(), kept) as redis:
        healing = World(couchdb, redis.url)
        world.redis_url, world.prefix = redis.url, healing.prefix
        healing.number()
        healing.number(account=ONE)
        start_follower(follower_lease_ttl=30, follower_reconcile_interval=300)
        eventually(lambda: healing.complete(SHARD) and healing.cached() == ONE)
        healing.number(account=TWO)  # from now on the shard has a feed of its own
        eventually(lambda: healing.cached() == TWO)
        shutil.copytree(kept, before)
        healing.number(account=THREE)
        eventually(lambda: healing.cached() == THREE)
        os.kill(redis.pid, signal.SIGKILL)
        redis.stop()
        shutil.rmtree(kept)
        shutil.copytree(before, kept)
        redis.start()
        assert healing.cached() == TWO
        eventually(lambda: healing.cached() == THREE, 20)
        healing.close()


def test_who_leads_next_vouches_for_nothing_before_he_has_caught_up(
    world: World, start_follower: StartFollower
) -> None:
    """Else answers from before the change would be marked stale while nobody leads, and then no more."""
    world.number()
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    reported = eventually(world.status)
    follower.stop()
    world.number(account=TWO)
    time.sleep(2)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        start_follower(follower_timeout=20)
        eventually(lambda: (result := world.status()) and result.leader != reported.leader and result.database_up)
        result = eventually(world.status)
        assert world.cached() == ONE
        assert result.lag >= result.at - reported.at - 0.1, "told at nearly the same time as it was thought of"
        relay.release()
        eventually(lambda: world.cached() == TWO)
        eventually(lambda: (result := world.status()) and result.lag < 1)


def test_a_feed_that_comes_back_does_not_vouch_for_what_it_missed(world: World, start_follower: StartFollower) -> None:
    world.number()
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        start_follower(follower_timeout=20)
        eventually(lambda: world.complete(SHARD) and (result := world.status()) and result.lag == 0)
        world.couchdb.stop()
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        time.sleep(2)
        world.couchdb.start()
        world.number(account=TWO)
        eventually(lambda: (result := world.status()) and result.database_up)
        assert world.cached() == ONE
        assert eventually(world.status).lag >= 2
        relay.release()
        eventually(lambda: world.cached() == TWO)
        eventually(lambda: (result := world.status()) and result.lag < 1)


def test_a_couchdb_that_stops_loses_no_change(world: World, start_follower: StartFollower) -> None:
    world.number()
    world.number(OTHER, ONE)
    start_follower()
    eventually(lambda: world.complete(SHARD, "numbers/+1442"))
    # The event of a write just before a stop is lost for ever.
    world.number(account=TWO)
    world.couchdb.stop()
    world.couchdb.start()
    eventually(lambda: world.cached() == TWO, 20)
    world.number(OTHER, THREE)
    eventually(lambda: world.cached(OTHER) == THREE, 20)


def test_a_couchdb_that_was_away_for_a_while(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.couchdb.stop()
    eventually(lambda: (result := world.status()) and not result.database_up)
    assert world.cached() == ONE, "what is cached stays while CouchDB is away"
    world.couchdb.start()
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO, 20)
    eventually(lambda: (result := world.status()) and result.database_up)


def test_a_follower_starts_before_either_store(world: World, start_follower: StartFollower) -> None:
    world.number()
    world.couchdb.stop()
    start_follower()
    eventually(lambda: world.redis.exists(world.keys.lease))
    world.couchdb.start()
    eventually(lambda: world.cached() == ONE, 20)


def test_without_the_feed_of_updates_it_converges_all_the_same(world: World, start_follower: StartFollower) -> None:
    world.databases.database("_global_changes").drop()
    world.number()
    start_follower()
    eventually(lambda: world.cached() == ONE)
    world.number(account=TWO)
    world.number(OTHER, THREE)
    eventually(lambda: world.cached() == TWO)
    eventually(lambda: world.cached(OTHER) == THREE)
    world.databases.database("numbers/+1442").drop()
    eventually(lambda: world.cached(OTHER) == "")


def test_a_feed_of_updates_that_is_lost_on_the_way(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database("_global_changes").drop()
    world.number(OTHER, TWO)
    world.number(account=TWO)
    eventually(lambda: world.cached(OTHER) == TWO)
    eventually(lambda: world.cached() == TWO)


def test_a_second_follower_stands_by(world: World, start_follower: StartFollower) -> None:
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


def test_another_takes_over_from_a_killed_follower(world: World, start_follower: StartFollower) -> None:
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


def test_a_frozen_follower_that_wakes_up_steps_back(world: World, start_follower: StartFollower) -> None:
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


def test_an_asked_follower_ends_by_itself_and_lets_the_next_one_in(world: World) -> None:
    world.number()
    process = _process(world)
    eventually(lambda: world.cached() == ONE, 20)
    process.terminate()
    assert process.wait(20) == 0
    assert not world.redis.exists(world.keys.lease)


def test_a_stale_token_is_refused(world: World, start_follower: StartFollower) -> None:
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


def test_a_follower_whose_lease_was_taken_away_leads_again_with_a_greater_token(
    world: World, start_follower: StartFollower
) -> None:
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


def test_a_checkpoint_that_is_removed_is_made_again(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.writer.entries.remove(NUMBER)
    world.writer.checkpoints.remove(SHARD)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)


def test_a_distrusted_database_is_read_again(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.writer.entries.remove(NUMBER)
    world.writer.checkpoints.invalidate(SHARD)
    eventually(lambda: world.cached() == ONE)


def test_wrong_credentials_stop_a_follower_from_asking(world: World, start_follower: StartFollower) -> None:
    with Relay(world.couchdb_url.replace("password", "wrong")) as relay:
        world.couchdb_url = relay.url
        start_follower()
        eventually(lambda: relay.seen)
        eventually(lambda: (result := world.status()) and not result.database_up)
        assert len(relay.seen) == 1
    world.couchdb_url = world.couchdb.url
    world.number()
    assert world.databases.names("numbers/") == [SHARD]


def test_answers_are_made_anew_when_a_follower_comes_back_with_other_rules(
    world: World, start_follower: StartFollower
) -> None:
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
