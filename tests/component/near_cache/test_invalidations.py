"""A near cache on a real Redis: invalidations, and connections that are lost, cut or led elsewhere."""

import logging
import socket
import time
from typing import Any

import pytest
from redis import Redis

from router.embedded import EmbeddedRedis
from router.near_cache.cache import InvalidationListener, NearCache
from router.redis_store.client import connect
from router.redis_store.keys import Keys
from router.trust.monitor import TrustMonitor
from tests.redis_programs import on_each_redis
from tests.support.near_caches import NUMBER, OTHER, is_trusted, near_entry, receiving_monitor
from tests.support.waiting import eventually

pytest_generate_tests = on_each_redis


@pytest.fixture
def trust() -> TrustMonitor:
    return receiving_monitor()


@pytest.fixture
def near(trust: TrustMonitor) -> NearCache:
    return NearCache(100, 1_000_000, trust)


class Reported:
    """A near cache that a Redis keeps honest."""

    def __init__(self, client: Any) -> None:
        self.client, self.keys = client, Keys("did-router:")
        self.trust = TrustMonitor()
        self.near = NearCache(100, 1_000_000, self.trust)
        self.listening = InvalidationListener(client, self.keys, self.near, self.trust)
        self.listening.start()
        eventually(self.is_trusted)

    def is_trusted(self) -> bool:
        return is_trusted(self.trust)

    def keep(self, *numbers: str) -> None:
        for number in numbers:
            self.near.put(number, near_entry(), self.near.generation(), None)
            assert self.near.get(number) is not None


def test_redis_tells_of_every_change_of_ours(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        reported = Reported(client)
        key = reported.keys.number(NUMBER)
        changes = [
            lambda: client.set(key, "a"),
            lambda: client.set(key, "b", px=100_000),
            lambda: client.delete(key),
            lambda: client.eval("return redis.call('SET', KEYS[1], 'c')", 1, key),
            lambda: client.pexpire(key, 1),
            client.flushall,
        ]
        for change in changes:
            reported.keep(NUMBER)
            change()
            eventually(lambda: reported.near.get(NUMBER) is None)
        reported.listening.stop()


def test_other_keys_change_nothing(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        reported = Reported(client)
        reported.keep(NUMBER, OTHER)
        client.set("other:{+1415}8867900", "a")
        client.hset(reported.keys.database("numbers/+1415"), "a", "b")
        client.set(reported.keys.number(OTHER), "a")
        eventually(lambda: reported.near.get(OTHER) is None)
        assert reported.near.get(NUMBER) is not None
        reported.listening.stop()


def test_lost_connection_is_trusted_again_after_a_clear(redis_url: str) -> None:
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        reported = Reported(client)
        reported.keep(NUMBER)
        port = server.port
        server.stop()
        eventually(lambda: not reported.is_trusted())
        assert reported.near.get(NUMBER) is not None, "it is still the best there is"
        with EmbeddedRedis(port):
            eventually(reported.is_trusted)
            assert reported.near.get(NUMBER) is None
        reported.listening.stop()


def _reports(caplog: pytest.LogCaptureFixture) -> int:
    return sum("its connection is down" in each for each in caplog.messages)


def test_redis_that_stays_away_is_logged_once(
    near: NearCache, trust: TrustMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "router.near_cache.cache")
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # and doesn't listen: nothing else can take the port
        client = connect(f"redis://127.0.0.1:{refusing.getsockname()[1]}/0", timeout=1)
        listening = InvalidationListener(client, Keys("did-router:"), near, trust)
        listening.start()
        eventually(lambda: _reports(caplog))
        time.sleep(1.6)  # three attempts more
        listening.stop()
    assert _reports(caplog) == 1


def test_each_loss_of_the_connection_is_logged(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "router.near_cache.cache")
    with Redis.from_url(redis_url) as client:
        reported = Reported(client)
        for times in (1, 2):
            eventually(reported.is_trusted)
            client.client_kill_filter(_type="pubsub")
            eventually(lambda times=times: _reports(caplog) == times)  # type: ignore[misc]
        reported.listening.stop()


def test_cut_connection_is_not_trusted_until_it_is_back(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        reported = Reported(client)
        reported.keep(NUMBER)
        client.client_kill_filter(_type="pubsub")
        eventually(lambda: reported.near.get(NUMBER) is None)
        eventually(reported.is_trusted)
        reported.keep(NUMBER)
        client.set(reported.keys.number(NUMBER), "a")
        eventually(lambda: reported.near.get(NUMBER) is None)
        reported.listening.stop()


def test_another_redis_behind_the_same_name_is_listened_to_anew(
    near: NearCache, trust: TrustMonitor, redis_url: str
) -> None:
    """The former one may be alive, and its connection stand: nobody tells it of a change any more."""
    keys = Keys("did-router:")
    with Redis.from_url(redis_url) as client, EmbeddedRedis() as other, Redis.from_url(other.url) as elsewhere:
        listening = InvalidationListener(client, keys, near, trust)
        trust.set_receives_invalidations(receives=False)
        listening.start()
        eventually(lambda: is_trusted(trust))
        near.put(NUMBER, near_entry(), near.generation(), None)
        listening.reconnect()
        assert near.get(NUMBER) is not None, "it is the same one: what it tells of is on its way"
        client.connection_pool, elsewhere.connection_pool = elsewhere.connection_pool, client.connection_pool
        listening.reconnect()
        assert not is_trusted(trust)
        eventually(lambda: is_trusted(trust))
        assert near.get(NUMBER) is None
        listening.stop()
