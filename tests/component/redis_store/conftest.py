"""A cache in a real Redis, empty for each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from router.redis_store.cache_store import CacheStore
from router.redis_store.entries import TTLs
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from tests.redis_programs import on_each_redis

pytest_generate_tests = on_each_redis

LIVES = TTLs(negative=10.0, tombstone=86400.0, fill=300.0)


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def keys() -> Keys:
    return Keys("did-router:")


@pytest.fixture
def writer(client: Any, keys: Keys) -> CacheStore:
    return CacheStore(client, keys, LIVES)


@pytest.fixture
def reader(client: Any, keys: Keys) -> EntryReader:
    return EntryReader(client, keys)
