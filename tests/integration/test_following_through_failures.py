"""Redis, CouchDB and followers stop, lose their memory and come back; the cache heals by itself."""

import os
import shutil
import signal
import time
from pathlib import Path

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.integration.conftest import StartFollower
from tests.integration.relay import Relay
from tests.integration.world import NUMBER, ONE, THREE, TWO, World
from tests.processes import freeze, thaw
from tests.support.waiting import eventually
from tests.topologies.servers import free_port

SHARD = "numbers/+1415"
OTHER = "+14420000001"


def test_redis_flushed_is_filled_again(world: World, start_follower: StartFollower) -> None:
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


def test_redis_restarted_empty_is_filled_again(
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


def test_redis_frozen_and_thawed_catches_up(
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


def test_redis_restored_from_older_data_catches_up(
    world: World, couchdb: EmbeddedCouchDB, tmp_path: Path, start_follower: StartFollower
) -> None:
    """Writes of the last second may be lost together with their checkpoint; the lease is not."""
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


def test_next_leader_stays_stale_until_caught_up(world: World, start_follower: StartFollower) -> None:
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
        assert result.lag >= result.at - reported.at - 0.5, "told at nearly the same time as it was thought of"
        relay.release()
        eventually(lambda: world.cached() == TWO)
        eventually(lambda: (result := world.status()) and result.lag < 1)


def test_feed_reopened_stays_stale_until_caught_up(world: World, start_follower: StartFollower) -> None:
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


def test_couchdb_restarted_loses_no_change(world: World, start_follower: StartFollower) -> None:
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


def test_couchdb_away_for_a_while_catches_up(world: World, start_follower: StartFollower) -> None:
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


def test_follower_started_before_both_stores_fills(world: World, start_follower: StartFollower) -> None:
    world.number()
    world.couchdb.stop()
    start_follower()
    eventually(lambda: world.redis.exists(world.keys.lease))
    world.couchdb.start()
    eventually(lambda: world.cached() == ONE, 20)


def test_follower_without_db_updates_converges(world: World, start_follower: StartFollower) -> None:
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


def test_follower_losing_db_updates_converges(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database("_global_changes").drop()
    world.number(OTHER, TWO)
    world.number(account=TWO)
    eventually(lambda: world.cached(OTHER) == TWO)
    eventually(lambda: world.cached() == TWO)


def test_checkpoint_removed_is_written_again(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.writer.entries.remove(NUMBER)
    world.writer.checkpoints.remove(SHARD)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)


def test_distrusted_database_is_read_again(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.writer.entries.remove(NUMBER)
    world.writer.checkpoints.invalidate(SHARD)
    eventually(lambda: world.cached() == ONE)


def test_wrong_credentials_stop_the_follower_from_asking(world: World, start_follower: StartFollower) -> None:
    with Relay(world.couchdb_url.replace("password", "wrong")) as relay:
        world.couchdb_url = relay.url
        start_follower()
        eventually(lambda: relay.seen)
        eventually(lambda: (result := world.status()) and not result.database_up)
        assert len(relay.seen) == 1
    world.couchdb_url = world.couchdb.url
    world.number()
    assert world.databases.names("numbers/") == [SHARD]
