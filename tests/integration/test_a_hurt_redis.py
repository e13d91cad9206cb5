"""A Redis that lost, garbles or refuses a part: answers stay right, and it heals by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG
from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import Running, StartFollower, StartService
from tests.integration.world import NUMBER, ONE, TWO, World
from tests.redis_programs import on_each_redis
from tests.support.waiting import eventually

pytest_generate_tests = on_each_redis

OTHER = "+14420000001"
IN_THE_SHARD = "+14150000001"
SHARD = "numbers/+1415"
RARELY: dict[str, Any] = {"follower_reconcile_interval": 600}
"""So that nothing is healed by a sweep."""


@pytest.fixture
def own(couchdb: EmbeddedCouchDB) -> Iterator[World]:
    """A world with a Redis of its own."""
    with EmbeddedRedis() as server:
        made = World(couchdb, server.url)
        yield made
        made.close()


@pytest.fixture
def running(world: World, start_service: StartService) -> Running:
    world.create("accounts", "port_requests", "system_config")
    made = start_service(with_follower=True, **RARELY)
    made.wait_ready()
    return made


def _is_asked(running: Running, number: str = NUMBER) -> str:
    account: str = running.caller.account(number)
    return account


@pytest.mark.parametrize("length", [40, 60, -1])
def test_truncated_entry_is_read_from_the_database_and_written_again(
    world: World, running: Running, length: int
) -> None:
    world.number()
    eventually(lambda: world.cached() == ONE)
    key = world.keys.number(NUMBER)
    whole = world.redis.get(key)
    world.redis.set(key, whole[:length])
    eventually(lambda: running.service.near.get(NUMBER) is None)
    assert running.caller.route(NUMBER).source == pb.NUMBER_DATABASE
    assert _is_asked(running) == ONE
    eventually(lambda: _is_asked(running) == ONE and world.cached() == ONE)


@pytest.mark.parametrize("database", [ACCOUNTS, SYSTEM_CONFIG])
def test_documents_that_redis_lost_alone_are_read_again(world: World, running: Running, database: str) -> None:
    """Else a disabled account would route as soon as a worker starts, and a configuration be the default one."""
    world.number()
    world.account(ONE, enabled=False)
    world.configure(inception_prefix_code="+1")
    eventually(lambda: _is_asked(running) == "ACCOUNT_DISABLED")
    eventually(lambda: running.service.followed.config is not None)
    world.redis.delete(world.keys.documents(database))
    world.writer.documents.publish_reload(database)
    for _ in range(20):
        assert _is_asked(running) == "ACCOUNT_DISABLED"
        assert running.service.followed.config is not None
    eventually(lambda: world.redis.hlen(world.keys.documents(database)) >= 2)
    eventually(lambda: database in running.service.trust.current.complete)


def test_document_that_is_spoilt_is_read_again(world: World, running: Running) -> None:
    world.number()
    world.account(ONE, enabled=False)
    eventually(lambda: _is_asked(running) == "ACCOUNT_DISABLED")
    key = world.keys.documents(ACCOUNTS)
    sound = world.redis.hget(key, ONE)
    world.redis.hset(key, ONE, b"?" * 9)
    world.writer.documents.publish_reload(ACCOUNTS)
    eventually(lambda: world.redis.hget(key, ONE) == sound)
    eventually(lambda: ACCOUNTS in running.service.trust.current.complete)
    assert _is_asked(running) == "ACCOUNT_DISABLED"


@pytest.mark.parametrize("database", [ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG])
def test_corrupt_document_is_repaired_without_reads(world: World, running: Running, database: str) -> None:
    """Workers have read it already; nothing tells them, and nothing else of its database is read again."""
    name = {ACCOUNTS: ONE, PORT_REQUESTS: "p", SYSTEM_CONFIG: "number_manager"}[database]
    world.account(ONE, enabled=False)
    world.port("p", ONE, NUMBER)
    world.configure(inception_prefix_code="+1")
    key = world.keys.documents(database)
    eventually(lambda: world.redis.hexists(key, name))
    eventually(lambda: database in running.service.trust.current.complete)
    sound, epoch = world.redis.hget(key, name), world.writer.checkpoints.epoch(database)
    world.redis.hset(key, name, b"?" * 12)
    world.redis.hset(key, "nobody", b"?" * 12)
    eventually(lambda: world.redis.hgetall(key) == {b"": epoch.encode(), name.encode(): sound})
    assert world.writer.checkpoints.epoch(database) == epoch, "the others were not read again"


def test_entries_that_are_garbled_and_nobody_calls_are_mended(world: World, start_follower: StartFollower) -> None:
    for number in (NUMBER, IN_THE_SHARD, OTHER):
        world.number(number)
    start_follower(**RARELY)
    eventually(lambda: all(world.cached(number) == ONE for number in (NUMBER, IN_THE_SHARD, OTHER)))
    key = world.keys.number
    world.redis.setrange(key(NUMBER), 40, b"\0\0")
    world.redis.delete(key(IN_THE_SHARD))
    world.redis.rpush(key(IN_THE_SHARD), "another type")
    world.redis.set(key(OTHER), b"\xff" * 60)
    world.redis.set(key("+14150000009"), b"of no number")
    eventually(lambda: all(world.cached(number) == ONE for number in (NUMBER, IN_THE_SHARD, OTHER)))
    eventually(lambda: world.cached("+14150000009") in {"nothing", ""} and world.held() is not None)


@pytest.mark.parametrize("field", ["epoch", "seq", "instance", "complete"])
def test_corrupt_checkpoint_of_an_idle_database_is_found(
    world: World, start_follower: StartFollower, field: str
) -> None:
    """While its epoch is another, nothing that lookups read from CouchDB is kept."""
    world.number()
    start_follower(**RARELY)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    before = world.writer.checkpoints.get(SHARD)
    world.redis.hset(world.keys.database(SHARD), field, b"\xda\xd0\xff\x80 garbled")

    def is_as_before() -> bool:
        now = world.writer.checkpoints.get(SHARD)
        return (now.instance_start_time, now.fingerprint, now.seq, now.complete) == (
            before.instance_start_time,
            before.fingerprint,
            before.seq,
            True,
        )

    eventually(is_as_before)
    eventually(lambda: world.cached() == ONE)


@pytest.mark.parametrize("field", ["epoch", "seq"])
def test_corrupt_field_of_a_checkpoint_stops_no_database(
    world: World, start_follower: StartFollower, field: str
) -> None:
    """Bytes that are no text: a script compares them as they stand, and would refuse every batch for ever."""
    world.number()
    world.number(IN_THE_SHARD)
    start_follower(**RARELY)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE and world.cached(IN_THE_SHARD) == ONE)
    world.redis.set(world.keys.number(IN_THE_SHARD), b"x")
    world.redis.hset(world.keys.database(SHARD), field, b"\xda\xd0\xff\x80 garbled")
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO and world.cached(IN_THE_SHARD) == ONE)


def test_vanished_database_is_missed_though_redis_lost_its_name(world: World, start_follower: StartFollower) -> None:
    world.number()
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.redis.delete(world.keys.databases)
    eventually(lambda: SHARD in world.writer.checkpoints.databases())
    follower.stop()
    world.databases.database(SHARD).drop()
    start_follower()
    eventually(lambda: world.cached() == "")


def test_purge_in_a_busy_database_is_seen_without_a_sweep(world: World, start_follower: StartFollower) -> None:
    """A database with a feed of its own: no row tells of a purge, and its updates were not looked at."""
    revision = world.number()
    start_follower(**RARELY)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    revision = world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)
    world.number("+14150000001")
    eventually(lambda: world.cached("+14150000001") == ONE)
    world.databases.client.request("POST", [SHARD, "_purge"], {NUMBER: [revision]})
    eventually(lambda: world.cached() == "")
    assert world.cached("+14150000001") == ONE or eventually(lambda: world.cached("+14150000001") == ONE)


def test_full_redis_still_answers_and_a_miss_costs_nobody_his_cache(
    own: World, transport: str, start_service: StartService
) -> None:
    del transport
    own.create("accounts", "port_requests", "system_config")
    own.number()
    own.number(OTHER, TWO)
    world_settings = own.settings(transport="auto", **RARELY)
    running = Running(world_settings, with_follower=True)
    try:
        running.wait_ready()
        eventually(lambda: own.cached() == ONE and own.cached(OTHER) == TWO)
        own.redis.delete(own.keys.number(OTHER))
        own.redis.config_set("maxmemory", 1)
        assert running.caller.route(OTHER).source == pb.NUMBER_DATABASE
        eventually(lambda: running.service.origin.in_flight == 0)
        for _ in range(20):
            assert running.caller.route(OTHER).source == pb.NUMBER_DATABASE
            assert running.caller.route(NUMBER).source in {pb.REDIS, pb.NEAR_CACHE}
        own.redis.config_set("maxmemory", 0)
        eventually(lambda: own.cached(OTHER) == TWO or not _is_asked(running, OTHER))
    finally:
        running.stop()
