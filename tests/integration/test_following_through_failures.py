"""Redis, CouchDB and followers stop, lose their memory and come back; the cache heals by itself."""

import os
import shutil
import signal
import time
from pathlib import Path

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.processes import freeze, thaw
from tests.support.waiting import eventually
from tests.topologies.servers import free_port

SHARD = "numbers/+1415"
OTHER = "+14420000001"


def test_redis_flushed_is_filled_again(stores: RealStores, start_follower: StartFollower) -> None:
    stores.numbers(SHARD, 20)
    stores.number()
    stores.number(OTHER, TWO)
    stores.account(THREE, enabled=False)
    start_follower()
    eventually(lambda: stores.complete(SHARD, "numbers/+1442", "accounts"))
    for _ in range(2):
        stores.redis.flushall()
        eventually(lambda: stores.cached() == ONE and stores.cached(OTHER) == TWO)
        eventually(lambda: stores.redis.hexists(stores.keys.documents("accounts"), THREE))
        eventually(lambda: stores.complete(SHARD, "numbers/+1442", "accounts"))
    stores.number(account=THREE)
    eventually(lambda: stores.cached() == THREE)


def test_redis_restarted_empty_is_filled_again(
    stores: RealStores, own_redis: EmbeddedRedis, start_follower: StartFollower
) -> None:
    healing = RealStores(stores.couchdb, own_redis.url)
    stores.redis_url, stores.prefix = own_redis.url, healing.prefix
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
    stores: RealStores, own_redis: EmbeddedRedis, start_follower: StartFollower
) -> None:
    healing = RealStores(stores.couchdb, own_redis.url)
    stores.redis_url, stores.prefix = own_redis.url, healing.prefix
    healing.number()
    start_follower()
    eventually(lambda: healing.cached() == ONE)
    freeze(own_redis.pid)
    healing.number(account=TWO)
    thaw(own_redis.pid)
    eventually(lambda: healing.cached() == TWO, 20)
    healing.close()


def test_redis_restored_from_older_data_catches_up(
    stores: RealStores, couchdb: EmbeddedCouchDB, tmp_path: Path, start_follower: StartFollower
) -> None:
    """Writes of the last second may be lost together with their checkpoint; the lease is not."""
    kept, before = tmp_path / "kept", tmp_path / "before"
    with EmbeddedRedis(free_port(), kept) as redis:
        healing = RealStores(couchdb, redis.url)
        stores.redis_url, stores.prefix = redis.url, healing.prefix
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


def test_next_leader_stays_stale_until_caught_up(stores: RealStores, start_follower: StartFollower) -> None:
    """Else answers from before the change would be marked stale while nobody leads, and then no more."""
    stores.number()
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    reported = eventually(stores.status)
    follower.stop()
    stores.number(account=TWO)
    time.sleep(2)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        start_follower(follower_timeout=20)
        eventually(lambda: (result := stores.status()) and result.leader != reported.leader and result.database_up)
        result = eventually(stores.status)
        assert stores.cached() == ONE
        assert result.lag >= result.at - reported.at - 0.5, "told at nearly the same time as it was thought of"
        relay.release()
        eventually(lambda: stores.cached() == TWO)
        eventually(lambda: (result := stores.status()) and result.lag < 1)


def test_feed_reopened_stays_stale_until_caught_up(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        start_follower(follower_timeout=20)
        eventually(lambda: stores.complete(SHARD) and (result := stores.status()) and result.lag == 0)
        stores.couchdb.stop()
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        time.sleep(2)
        stores.couchdb.start()
        stores.number(account=TWO)
        eventually(lambda: (result := stores.status()) and result.database_up)
        assert stores.cached() == ONE
        assert eventually(stores.status).lag >= 2
        relay.release()
        eventually(lambda: stores.cached() == TWO)
        eventually(lambda: (result := stores.status()) and result.lag < 1)


def test_couchdb_restarted_loses_no_change(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    stores.number(OTHER, ONE)
    start_follower()
    eventually(lambda: stores.complete(SHARD, "numbers/+1442"))
    # The event of a write just before a stop is lost for ever.
    stores.number(account=TWO)
    stores.couchdb.stop()
    stores.couchdb.start()
    eventually(lambda: stores.cached() == TWO, 20)
    stores.number(OTHER, THREE)
    eventually(lambda: stores.cached(OTHER) == THREE, 20)


def test_couchdb_away_for_a_while_catches_up(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.couchdb.stop()
    eventually(lambda: (result := stores.status()) and not result.database_up)
    assert stores.cached() == ONE, "what is cached stays while CouchDB is away"
    stores.couchdb.start()
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO, 20)
    eventually(lambda: (result := stores.status()) and result.database_up)


def test_follower_started_before_both_stores_fills(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    stores.couchdb.stop()
    start_follower()
    eventually(lambda: stores.redis.exists(stores.keys.lease))
    stores.couchdb.start()
    eventually(lambda: stores.cached() == ONE, 20)


def test_follower_without_db_updates_converges(stores: RealStores, start_follower: StartFollower) -> None:
    stores.databases.database("_global_changes").drop()
    stores.number()
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    stores.number(account=TWO)
    stores.number(OTHER, THREE)
    eventually(lambda: stores.cached() == TWO)
    eventually(lambda: stores.cached(OTHER) == THREE)
    stores.databases.database("numbers/+1442").drop()
    eventually(lambda: stores.cached(OTHER) == "")


def test_follower_losing_db_updates_converges(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.databases.database("_global_changes").drop()
    stores.number(OTHER, TWO)
    stores.number(account=TWO)
    eventually(lambda: stores.cached(OTHER) == TWO)
    eventually(lambda: stores.cached() == TWO)


def test_checkpoint_removed_is_written_again(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.writer.entries.remove(NUMBER)
    stores.writer.checkpoints.remove(SHARD)
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)


def test_distrusted_database_is_read_again(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.writer.entries.remove(NUMBER)
    stores.writer.checkpoints.invalidate(SHARD)
    eventually(lambda: stores.cached() == ONE)


def test_wrong_credentials_stop_the_follower_from_asking(stores: RealStores, start_follower: StartFollower) -> None:
    with Relay(stores.couchdb_url.replace("password", "wrong")) as relay:
        stores.couchdb_url = relay.url
        start_follower()
        eventually(lambda: relay.seen)
        eventually(lambda: (result := stores.status()) and not result.database_up)
        assert len(relay.seen) == 1
    stores.couchdb_url = stores.couchdb.url
    stores.number()
    assert stores.databases.names("numbers/") == [SHARD]
