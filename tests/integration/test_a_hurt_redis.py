"""A Redis that lost, garbles or refuses a part: answers stay right, and it heals by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG
from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import Running, StartFollower, StartService
from tests.integration.real_stores import NUMBER, ONE, TWO, RealStores
from tests.redis_programs import on_each_redis
from tests.support.waiting import eventually

pytest_generate_tests = on_each_redis

OTHER = "+14420000001"
IN_THE_SHARD = "+14150000001"
SHARD = "numbers/+1415"
RARELY: dict[str, Any] = {"follower_reconcile_interval": 600}
"""So that nothing is healed by a sweep."""


@pytest.fixture
def own(couchdb: EmbeddedCouchDB) -> Iterator[RealStores]:
    """Stores with a Redis of its own."""
    with EmbeddedRedis() as server:
        made = RealStores(couchdb, server.url)
        yield made
        made.close()


@pytest.fixture
def running(stores: RealStores, start_service: StartService) -> Running:
    stores.create("accounts", "port_requests", "system_config")
    made = start_service(with_follower=True, **RARELY)
    made.wait_ready()
    return made


def _is_asked(running: Running, number: str = NUMBER) -> str:
    account: str = running.caller.account(number)
    return account


@pytest.mark.parametrize("length", [40, 60, -1])
def test_truncated_entry_is_read_from_the_database_and_written_again(
    stores: RealStores, running: Running, length: int
) -> None:
    stores.number()
    eventually(lambda: stores.cached() == ONE)
    key = stores.keys.number(NUMBER)
    whole = stores.redis.get(key)
    stores.redis.set(key, whole[:length])
    eventually(lambda: running.service.near.get(NUMBER) is None)
    assert running.caller.route(NUMBER).source == pb.NUMBER_DATABASE
    assert _is_asked(running) == ONE
    eventually(lambda: _is_asked(running) == ONE and stores.cached() == ONE)


@pytest.mark.parametrize("database", [ACCOUNTS, SYSTEM_CONFIG])
def test_documents_that_redis_lost_alone_are_read_again(stores: RealStores, running: Running, database: str) -> None:
    """Else a disabled account would route as soon as a worker starts, and a configuration be the default one."""
    stores.number()
    stores.account(ONE, enabled=False)
    stores.configure(inception_prefix_code="+1")
    eventually(lambda: _is_asked(running) == "ACCOUNT_DISABLED")
    eventually(lambda: running.service.followed.config is not None)
    stores.redis.delete(stores.keys.documents(database))
    stores.writer.documents.publish_reload(database)
    for _ in range(20):
        assert _is_asked(running) == "ACCOUNT_DISABLED"
        assert running.service.followed.config is not None
    eventually(lambda: stores.redis.hlen(stores.keys.documents(database)) >= 2)
    eventually(lambda: database in running.service.trust.current.complete)


def test_document_that_is_spoilt_is_read_again(stores: RealStores, running: Running) -> None:
    stores.number()
    stores.account(ONE, enabled=False)
    eventually(lambda: _is_asked(running) == "ACCOUNT_DISABLED")
    key = stores.keys.documents(ACCOUNTS)
    sound = stores.redis.hget(key, ONE)
    stores.redis.hset(key, ONE, b"?" * 9)
    stores.writer.documents.publish_reload(ACCOUNTS)
    eventually(lambda: stores.redis.hget(key, ONE) == sound)
    eventually(lambda: ACCOUNTS in running.service.trust.current.complete)
    assert _is_asked(running) == "ACCOUNT_DISABLED"


@pytest.mark.parametrize("database", [ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG])
def test_corrupt_document_is_repaired_without_reads(stores: RealStores, running: Running, database: str) -> None:
    """Workers have read it already; nothing tells them, and nothing else of its database is read again."""
    name = {ACCOUNTS: ONE, PORT_REQUESTS: "p", SYSTEM_CONFIG: "number_manager"}[database]
    stores.account(ONE, enabled=False)
    stores.port("p", ONE, NUMBER)
    stores.configure(inception_prefix_code="+1")
    key = stores.keys.documents(database)
    eventually(lambda: stores.redis.hexists(key, name))
    eventually(lambda: database in running.service.trust.current.complete)
    sound, epoch = stores.redis.hget(key, name), stores.writer.checkpoints.epoch(database)
    stores.redis.hset(key, name, b"?" * 12)
    stores.redis.hset(key, "nobody", b"?" * 12)
    eventually(lambda: stores.redis.hgetall(key) == {b"": epoch.encode(), name.encode(): sound})
    assert stores.writer.checkpoints.epoch(database) == epoch, "the others were not read again"


def test_entries_that_are_garbled_and_nobody_calls_are_mended(
    stores: RealStores, start_follower: StartFollower
) -> None:
    for number in (NUMBER, IN_THE_SHARD, OTHER):
        stores.number(number)
    start_follower(**RARELY)
    eventually(lambda: all(stores.cached(number) == ONE for number in (NUMBER, IN_THE_SHARD, OTHER)))
    key = stores.keys.number
    stores.redis.setrange(key(NUMBER), 40, b"\0\0")
    stores.redis.delete(key(IN_THE_SHARD))
    stores.redis.rpush(key(IN_THE_SHARD), "another type")
    stores.redis.set(key(OTHER), b"\xff" * 60)
    stores.redis.set(key("+14150000009"), b"of no number")
    eventually(lambda: all(stores.cached(number) == ONE for number in (NUMBER, IN_THE_SHARD, OTHER)))
    eventually(lambda: stores.cached("+14150000009") in {"nothing", ""} and stores.held() is not None)


@pytest.mark.parametrize("field", ["epoch", "seq", "instance", "complete"])
def test_corrupt_checkpoint_of_an_idle_database_is_found(
    stores: RealStores, start_follower: StartFollower, field: str
) -> None:
    """While its epoch is another, nothing that lookups read from CouchDB is kept."""
    stores.number()
    start_follower(**RARELY)
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    before = stores.writer.checkpoints.get(SHARD)
    stores.redis.hset(stores.keys.database(SHARD), field, b"\xda\xd0\xff\x80 garbled")

    def is_as_before() -> bool:
        now = stores.writer.checkpoints.get(SHARD)
        return (now.instance_start_time, now.fingerprint, now.seq, now.complete) == (
            before.instance_start_time,
            before.fingerprint,
            before.seq,
            True,
        )

    eventually(is_as_before)
    eventually(lambda: stores.cached() == ONE)


@pytest.mark.parametrize("field", ["epoch", "seq"])
def test_corrupt_field_of_a_checkpoint_stops_no_database(
    stores: RealStores, start_follower: StartFollower, field: str
) -> None:
    """Bytes that are no text: a script compares them as they stand, and would refuse every batch for ever."""
    stores.number()
    stores.number(IN_THE_SHARD)
    start_follower(**RARELY)
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE and stores.cached(IN_THE_SHARD) == ONE)
    stores.redis.set(stores.keys.number(IN_THE_SHARD), b"x")
    stores.redis.hset(stores.keys.database(SHARD), field, b"\xda\xd0\xff\x80 garbled")
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO and stores.cached(IN_THE_SHARD) == ONE)


def test_vanished_database_is_missed_though_redis_lost_its_name(
    stores: RealStores, start_follower: StartFollower
) -> None:
    stores.number()
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.redis.delete(stores.keys.databases)
    eventually(lambda: SHARD in stores.writer.checkpoints.databases())
    follower.stop()
    stores.databases.database(SHARD).drop()
    start_follower()
    eventually(lambda: stores.cached() == "")


def test_purge_in_a_busy_database_is_seen_without_a_sweep(stores: RealStores, start_follower: StartFollower) -> None:
    """A database with a feed of its own: no row tells of a purge, and its updates were not looked at."""
    revision = stores.number()
    start_follower(**RARELY)
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    revision = stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)
    stores.number("+14150000001")
    eventually(lambda: stores.cached("+14150000001") == ONE)
    stores.databases.client.request("POST", [SHARD, "_purge"], {NUMBER: [revision]})
    eventually(lambda: stores.cached() == "")
    assert stores.cached("+14150000001") == ONE or eventually(lambda: stores.cached("+14150000001") == ONE)


def test_full_redis_still_answers_and_a_miss_costs_nobody_his_cache(
    own: RealStores, transport: str, start_service: StartService
) -> None:
    del transport
    own.create("accounts", "port_requests", "system_config")
    own.number()
    own.number(OTHER, TWO)
    store_settings = own.settings(transport="auto", **RARELY)
    running = Running(store_settings, with_follower=True)
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
