"""What somebody else left under our keys does no harm."""

from typing import Any

import pytest

from router.cache import entry
from router.cache.keys import Keys
from router.cache.reader import CacheReader
from router.cache.writer import Applied, CacheWriter
from tests.unit.cache.entries import DATABASE, NUMBER, Life, held, rev, route

SOUND = route(rev(1)).pack()
SHORT = [b"", b"x", *(SOUND[:cut] for cut in range(20, len(SOUND)))]
ODD = [
    SOUND[:20] + b"Z" + SOUND[21:],
    SOUND[:25] + b"\0\0\x03" + b"\x12\x01a",
    SOUND + b"x",
    SOUND[:25] + b"\0\0\x03" + b"\x0a\x00a",  # of nobody
    SOUND[:25] + b"\0\0\x04" + b"\x0a\x20ab",  # of somebody whose id goes on behind the end
    b"\xff" * 200,
]


def _spoil(client: Any, kind: str, key: str) -> None:
    client.delete(key)
    if kind == "list":
        client.rpush(key, "a")
    elif kind == "hash":
        client.hset(key, "a", "b")
    else:
        client.zadd(key, {"a": 1})


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_reads_as_nothing_and_is_replaced(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, kind: str
) -> None:
    life = Life(writer)
    _spoil(client, kind, keys.number(NUMBER))
    assert reader.entries([NUMBER]) == [None]
    assert life.apply(route(rev(1))) == (Applied.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_is_replaced_by_a_filler_too(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, kind: str
) -> None:
    _spoil(client, kind, keys.number(NUMBER))
    assert writer.fill(DATABASE, "", [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_does_not_stand_in_replaces_way(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, kind: str
) -> None:
    life = Life(writer)
    _spoil(client, kind, keys.number(NUMBER))
    assert writer.replace(DATABASE, 1, life.checkpoint.epoch, NUMBER, route(rev(7)).version, route(rev(3)))
    assert held(reader) == route(rev(3))


@pytest.mark.parametrize("value", SHORT)
def test_a_truncated_value_is_no_entry_and_is_replaced(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, value: bytes
) -> None:
    life = Life(writer)
    client.set(keys.number(NUMBER), value)
    assert not entry.is_sound(value)
    assert held(reader) is None
    assert life.apply(route(rev(1))) == (Applied.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("value", ODD)
def test_a_value_that_is_long_enough_may_still_be_no_entry(value: bytes) -> None:
    assert not entry.is_sound(value)
    assert entry.unpack(value) is None


@pytest.mark.parametrize("value", ODD)
def test_an_unsound_value_gives_way_whatever_its_version_claims(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, value: bytes
) -> None:
    life = Life(writer)
    client.set(keys.number(NUMBER), value)
    assert life.apply(route(rev(1))) == (Applied.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("value", ODD)
def test_an_unsound_value_gives_way_to_a_filler(
    writer: CacheWriter, reader: CacheReader, client: Any, keys: Keys, value: bytes
) -> None:
    client.set(keys.number(NUMBER), value)
    assert writer.fill(DATABASE, "", [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))
