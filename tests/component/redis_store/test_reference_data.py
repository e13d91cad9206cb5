"""A worker's own copy of accounts, port requests and configuration follows what Redis holds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from router.embedded import EmbeddedRedis
from router.entries.reference_values import ActivePortRequest, account_value, config_value, port_request_value
from router.numbers.kazoo_databases import ACCOUNTS, NUMBER_MANAGER, PORT_REQUESTS, REFERENCE_DATABASES, SYSTEM_CONFIG
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.keys import Keys
from router.reference_data.reference_data import ReferenceData
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH
from tests.component.redis_store.conftest import LIVES
from tests.support.entries import NUMBER, ONE, TWO, rev
from tests.support.waiting import eventually


class Source:
    """A follower's writing of followed documents."""

    def __init__(self, writer: CacheStore) -> None:
        self.writer = writer
        self.checkpoints: dict[str, Checkpoint] = {}

    def begin(self, database: str) -> None:
        begun = self.writer.checkpoints.begin_epoch(database, 1, instance_start_time="1", purge_seq=0, fingerprint="s")
        assert begun is not None
        self.writer.documents.clear(database, begun.epoch)
        self.checkpoints[database] = begun

    def write(self, database: str, **values: bytes) -> None:
        if database not in self.checkpoints:
            self.begin(database)
        before = self.checkpoints[database]
        self.writer.documents.apply(database, 1, before, before.seq + "x", list(values.items()))
        self.checkpoints[database] = self.writer.checkpoints.get(database)


@pytest.fixture
def source(writer: CacheStore) -> Source:
    return Source(writer)


@pytest.fixture
def reported() -> list[bool]:
    """An element for each time that the configuration was said to have changed."""
    return []


@pytest.fixture
def trust() -> TrustMonitor:
    return TrustMonitor()


@pytest.fixture
def documents(client: Any, keys: Keys, trust: TrustMonitor, reported: list[bool]) -> Iterator[ReferenceData]:
    made = ReferenceData(client, keys, trust, lambda: reported.append(True))
    made.start()
    assert made.wait_synced(5)
    yield made
    made.stop()


def test_reference_data_in_redis_is_loaded_at_start(
    client: Any, keys: Keys, source: Source, writer: CacheStore
) -> None:
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=False, exists=True))
    source.write(PORT_REQUESTS, p=port_request_value(rev(1), ActivePortRequest("p", ONE, (NUMBER,))))
    writer.checkpoints.mark_complete(ACCOUNTS, {"copy": "1"})
    trust = TrustMonitor()
    made = ReferenceData(client, keys, trust)
    made.start()
    assert made.wait_synced(5)
    assert made.disabled == {"a"}
    assert made.port_requests == {NUMBER: (ActivePortRequest("p", ONE, (NUMBER,)),)}
    assert trust.current.complete == {ACCOUNTS}
    made.stop()


def test_account_is_disabled_and_enabled_again(documents: ReferenceData, source: Source) -> None:
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=True, exists=True))
    eventually(lambda: "a" in documents.enabled | documents.disabled)
    assert "a" not in documents.disabled
    source.write(ACCOUNTS, a=account_value(rev(2), enabled=False, exists=True))
    eventually(lambda: "a" in documents.disabled)
    source.write(ACCOUNTS, a=account_value(rev(3), enabled=True, exists=True))
    eventually(lambda: "a" not in documents.disabled)
    source.write(ACCOUNTS, a=account_value(rev(4), enabled=False, exists=False))
    eventually(lambda: "a" not in documents.enabled | documents.disabled)
    assert "a" not in documents.disabled
    assert documents.version(ACCOUNTS, "a") is not None


def test_ports_of_one_number_stand_together_until_one_goes(documents: ReferenceData, source: Source) -> None:
    first, second = ActivePortRequest("p", ONE, (NUMBER,)), ActivePortRequest("q", TWO, (NUMBER,))
    source.write(PORT_REQUESTS, p=port_request_value(rev(1), first), q=port_request_value(rev(1), second))
    eventually(lambda: set(documents.port_requests.get(NUMBER, ())) == {first, second})
    source.write(PORT_REQUESTS, p=port_request_value(rev(2), None))
    eventually(lambda: documents.port_requests.get(NUMBER) == (second,))


def test_configuration_change_is_reported(documents: ReferenceData, source: Source, reported: list[bool]) -> None:
    source.write(SYSTEM_CONFIG, **{NUMBER_MANAGER: config_value(rev(1), {"force_local_outbound": False})})
    eventually(lambda: documents.config == {"force_local_outbound": False})
    eventually(lambda: reported)
    source.write(SYSTEM_CONFIG, **{NUMBER_MANAGER: config_value(rev(2), None)})
    eventually(lambda: documents.config is None)


def test_cleared_database_is_cleared_from_memory(documents: ReferenceData, source: Source, writer: CacheStore) -> None:
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=False, exists=True))
    eventually(lambda: documents.disabled == {"a"})
    writer.documents.clear(ACCOUNTS, "")
    eventually(lambda: not documents.disabled)


def test_database_is_loaded_once_it_was_read_wholly(
    documents: ReferenceData, trust: TrustMonitor, source: Source, writer: CacheStore
) -> None:
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=True, exists=True))
    eventually(lambda: "a" in documents.enabled | documents.disabled)
    assert ACCOUNTS not in trust.current.complete
    writer.checkpoints.mark_complete(ACCOUNTS, {"copy": "1"})
    writer.documents.publish_reload(ACCOUNTS)
    eventually(lambda: ACCOUNTS in trust.current.complete)


def test_one_broken_value_hides_no_other_document(
    documents: ReferenceData, trust: TrustMonitor, source: Source
) -> None:
    broken = [b"{not json", b'["a", {}]', b'[1, "+1"]', b"[" * 100_000]
    values = {f"broken{place}": b"x" * 20 + value for place, value in enumerate(broken)}
    # At one time: once the broken ones are seen, nothing is added before all is read again.
    source.write(PORT_REQUESTS, p=port_request_value(rev(1), ActivePortRequest("p", ONE, (NUMBER,))), **values)
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=False, exists=True))
    eventually(lambda: documents.disabled == {"a"})
    eventually(lambda: documents.port_requests.keys() == {NUMBER})
    assert trust.current.reference is FRESH


@pytest.mark.parametrize(
    "value", [b"x" * 20 + b"{not json", b"x" * 20 + b"[]", b"x" * 20 + b"7", b"short", b"\xff" * 40]
)
def test_one_broken_value_does_not_stop_the_loading(
    client: Any, keys: Keys, source: Source, value: bytes, writer: CacheStore
) -> None:
    source.write(PORT_REQUESTS, broken=value)
    source.write(SYSTEM_CONFIG, **{NUMBER_MANAGER: value})
    source.write(ACCOUNTS, a=account_value(rev(1), enabled=False, exists=True), broken=value)
    made = ReferenceData(client, keys, TrustMonitor())
    made.start()
    assert made.wait_synced(3)
    assert made.disabled == {"a"}
    made.stop()


def test_reference_data_while_redis_is_away_is_not_trusted(keys: Keys) -> None:
    with EmbeddedRedis() as server:
        with Redis.from_url(server.url) as client:
            Source(CacheStore(client, keys, LIVES)).write(ACCOUNTS, a=account_value(rev(1), enabled=False, exists=True))
            trust = TrustMonitor()
            made = ReferenceData(client, keys, trust)
            made.start()
            assert made.wait_synced(5)
            port = server.port
            server.stop()
            eventually(lambda: trust.current.reference is not FRESH)
            assert made.disabled == {"a"}, "what is held is still the best there is"
        with EmbeddedRedis(port), Redis.from_url(server.url) as client:
            eventually(lambda: trust.current.reference is FRESH)
            assert made.disabled == set(), "the Redis that came back knows of nobody"
            Source(CacheStore(client, keys, LIVES)).write(ACCOUNTS, b=account_value(rev(1), enabled=False, exists=True))
            eventually(lambda: made.disabled == {"b"})
        made.stop()


def test_values_hold_what_a_worker_needs() -> None:
    version = len(rev(1)) and 20
    assert account_value(rev(1), enabled=True, exists=True)[version:] == b"1"
    assert account_value(rev(1), enabled=False, exists=True, realm="a.example")[version:] == b"0a.example"
    assert account_value(rev(1), enabled=True, exists=True, realm="no host")[version:] == b"1"
    assert account_value(rev(1), enabled=True, exists=False, realm="a.example")[version:] == b"D"
    assert port_request_value(rev(1), None)[version:] == b""
    assert json.loads(port_request_value(rev(1), ActivePortRequest("p", ONE, ("+2", "+1")))[version:]) == [
        ONE,
        "+1",
        "+2",
    ]
    assert set(REFERENCE_DATABASES) == {ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG}
