"""The integrity scan finds invalid values in Redis a few at a time, and corrects only those."""

from typing import Any

import pytest

from router.entries.reference_values import account_value, is_valid_value
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG
from router.redis_store import integrity_scan
from router.redis_store.cache_store import CacheStore
from router.redis_store.entry_reader import EntryReader
from router.redis_store.integrity_scan import IntegrityScan
from router.redis_store.keys import Keys
from tests.support.entries import ONE, Life, rev, route

CORRUPT = b"?" * 12
VERSION = account_value(rev(1), enabled=True, exists=True)[:20]
READS = 100


@pytest.fixture
def found(client: Any, keys: Keys, reader: EntryReader, monkeypatch: pytest.MonkeyPatch) -> IntegrityScan:
    monkeypatch.setattr(integrity_scan, "HSCAN_COUNT", 100)
    monkeypatch.setattr(integrity_scan, "SCAN_COUNT", 100)
    return IntegrityScan(client, keys, reader)


@pytest.fixture
def accounts(writer: CacheStore, client: Any, keys: Keys) -> Life:
    """A thousand accounts."""
    steps = Life(writer, database=ACCOUNTS)
    writer.documents.clear(ACCOUNTS, steps.checkpoint.epoch)
    value = account_value(rev(1), enabled=True, exists=True)
    client.hset(keys.documents(ACCOUNTS), mapping={f"{index:032x}": value for index in range(1000)})
    return steps


def test_looks_at_a_few_go_round_all(accounts: Life, client: Any, keys: Keys, found: IntegrityScan) -> None:
    del accounts
    spoilt = {f"{index:032x}".encode() for index in (0, 333, 999)}
    client.hset(keys.documents(ACCOUNTS), mapping=dict.fromkeys(spoilt, CORRUPT))
    first = found.corrupt_documents(ACCOUNTS)
    looks = [first, *(found.corrupt_documents(ACCOUNTS) for _ in range(READS))]
    assert {name for look in looks for name in look} == spoilt
    assert any(not look for look in looks), "no look goes round all of them"


@pytest.mark.parametrize("kind", ["list", "string", None])
def test_another_type_in_place_of_documents_is_none_of_them(
    client: Any, keys: Keys, found: IntegrityScan, kind: str | None
) -> None:
    key = keys.documents(ACCOUNTS)
    if kind is not None:
        client.rpush(key, "a") if kind == "list" else client.set(key, "a")
    assert found.corrupt_documents(ACCOUNTS) == {}


def test_only_the_value_that_was_found_is_replaced(accounts: Life, writer: CacheStore, client: Any, keys: Keys) -> None:
    key, epoch = keys.documents(ACCOUNTS), accounts.checkpoint.epoch
    sound = account_value(rev(2), enabled=False, exists=True)
    name = ONE.encode()

    def mend(value: bytes = sound, token: int = 1, epoch: str = epoch) -> bool:
        return writer.documents.repair(ACCOUNTS, token, epoch, name, CORRUPT, value)

    client.hset(key, name, CORRUPT)
    assert not mend(token=0), "another follower leads"
    assert not mend(epoch="x"), "the database is another one"
    assert mend()
    assert client.hget(key, name) == sound
    assert not mend(), "what was written meanwhile stands"
    client.hset(key, name, CORRUPT)
    assert mend(b"")
    assert not client.hexists(key, name)
    client.hset(key, mapping={name: CORRUPT, "": b"corrupt"})
    assert not mend(), "all of them are read again"


def test_entries_are_looked_at_again_and_again(
    writer: CacheStore, client: Any, keys: Keys, found: IntegrityScan
) -> None:
    numbers = [f"+1415{index:07}" for index in range(500)]
    steps = Life(writer)
    for number in numbers:
        steps.apply(route(rev(1)), number=number)
    for _ in range(2):
        client.setrange(keys.number(numbers[7]), 40, b"xx")
        client.delete(keys.number(numbers[300]))
        client.rpush(keys.number(numbers[300]), "another type")
        looks = [found.corrupt_entries() for _ in range(READS)]
        seen = {number: value for look in looks for number, value in look.items()}
        assert seen.keys() == {numbers[7], numbers[300]}
        assert seen[numbers[300]] == b""
        assert any(not look for look in looks)


def test_entries_that_lapsed_are_nothing_to_mend(client: Any, keys: Keys, found: IntegrityScan) -> None:
    client.set(keys.number("+14150000001"), route(rev(1)).pack(), px=1)
    assert not any(found.corrupt_entries() for _ in range(READS))


@pytest.mark.parametrize(
    ("database", "payload", "sound"),
    [
        (ACCOUNTS, b"1", True),
        (ACCOUNTS, b"D", True),
        (ACCOUNTS, b"1one.example.com", True),
        (ACCOUNTS, b"0one example", False),
        (ACCOUNTS, b"Done.example.com", False),
        (ACCOUNTS, b"", False),
        (ACCOUNTS, b"2", False),
        (PORT_REQUESTS, b"", True),
        (PORT_REQUESTS, b'["a"]', True),
        (PORT_REQUESTS, b'["a", "+14158867900"]', True),
        (PORT_REQUESTS, b"[]", False),
        (PORT_REQUESTS, b'["", "+14158867900"]', False),
        (PORT_REQUESTS, b'["a", 1]', False),
        (PORT_REQUESTS, b"{}", False),
        (SYSTEM_CONFIG, b"", True),
        (SYSTEM_CONFIG, b"{}", True),
        (SYSTEM_CONFIG, b"[]", False),
        (SYSTEM_CONFIG, b"{", False),
    ],
)
def test_value_written_by_a_follower_is_valid(database: str, payload: bytes, sound: bool) -> None:
    assert is_valid_value(database, VERSION + payload) == sound
    assert not is_valid_value(database, (VERSION + payload)[:19])
