"""Finding and removing what the cache holds of some databases, and nothing else."""

from typing import Any

from router.entries import codec
from router.redis_store.cache_store import CacheStore
from router.redis_store.keys import Keys
from tests.component.redis_store.conftest import LIVES
from tests.support.entries import NOW, Life, rev, route

HERE, THERE = [f"+14150000{index:03}" for index in range(50)], ["+14420000001", "+1442"]


def _fill(writer: CacheStore) -> None:
    for database, numbers in (("numbers/+1415", HERE), ("numbers/+1442", THERE)):
        steps = Life(writer, database=database)
        for number in numbers:
            steps.apply(route(rev(1), number=number), number=number)


def _walked(writer: CacheStore, database: str | None = None) -> list[str]:
    return sorted(number for batch in writer.entries.scan(database) for _, number in batch)


def test_walking_finds_every_number_and_nothing_else(writer: CacheStore, client: Any, keys: Keys) -> None:
    _fill(writer)
    client.set("did-router:{+1415", "odd")
    client.set("other:{+1415}8867900", "another deployment's")
    client.set(keys.lease, "1 someone")
    assert _walked(writer) == sorted([*HERE, *THERE])


def test_walking_one_database(writer: CacheStore) -> None:
    _fill(writer)
    assert _walked(writer, "numbers/+1442") == sorted(THERE)


def test_forgetting_takes_the_entries_and_leaves_the_rest(writer: CacheStore, client: Any, keys: Keys) -> None:
    _fill(writer)
    assert writer.entries.remove_databases(["numbers/+1415"]) == len(HERE)
    assert _walked(writer) == sorted(THERE)
    assert client.exists(keys.database("numbers/+1415"))
    assert client.exists(keys.database("numbers/+1442"))


def test_forgetting_what_is_not_there_takes_nothing(writer: CacheStore) -> None:
    _fill(writer)
    assert writer.entries.remove_databases(["numbers/+1999"]) == 0
    assert len(_walked(writer)) == len(HERE) + len(THERE)


def test_removing_one_number(writer: CacheStore) -> None:
    _fill(writer)
    writer.entries.remove(HERE[0])
    assert HERE[0] not in _walked(writer)
    assert len(_walked(writer)) == len(HERE) + len(THERE) - 1


def test_entries_filled_for_an_unknown_database_are_found_again(writer: CacheStore, client: Any, keys: Keys) -> None:
    writer.entries.fill("numbers/+1415", "", [(HERE[0], route(rev(1))), (HERE[1], codec.negative_entry(NOW))])
    Life(writer, database="numbers/+1442")
    steps = writer.checkpoints.get("numbers/+1442")
    writer.entries.fill("numbers/+1442", steps.epoch, [(THERE[0], route(rev(1)))])
    writer.entries.remove_orphans("numbers/+1415")
    writer.entries.remove_orphans("numbers/+1442")
    assert _walked(writer) == [THERE[0]]
    assert not client.exists(keys.orphans("numbers/+1415"))


def test_orphans_key_outlives_every_filled_entry(writer: CacheStore, client: Any, keys: Keys) -> None:
    writer.entries.fill("numbers/+1415", "", [(HERE[0], route(rev(1)))])
    writer.entries.fill("numbers/+1415", "", [(HERE[1], codec.negative_entry(NOW))])
    assert client.pttl(keys.orphans("numbers/+1415")) > client.pttl(keys.number(HERE[0]))


def test_prefix_with_pattern_signs_is_taken_as_it_is(client: Any) -> None:
    ours, theirs = CacheStore(client, Keys("a[b]*:"), LIVES), CacheStore(client, Keys("ab:"), LIVES)
    for writer in (ours, theirs):
        _fill(writer)
    assert _walked(ours) == sorted([*HERE, *THERE])
    assert ours.entries.remove_databases(["numbers/+1415"]) == len(HERE)
    assert len(_walked(theirs)) == len(HERE) + len(THERE)
