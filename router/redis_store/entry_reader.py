"""Reading the cache: one MGET for a batch of numbers."""

from collections.abc import Sequence
from typing import Any

from router.redis_store.client import is_cluster
from router.redis_store.keys import Keys


class EntryReader:
    """Gathers the entries of many numbers in one request."""

    def __init__(self, redis: Any, keys: Keys) -> None:
        self._keys = keys
        self._redis = redis
        self._is_cluster = is_cluster(redis)

    def entries(self, numbers: Sequence[str]) -> list[bytes | None]:
        """The bytes kept for each number, None where there are none (or something else stands there).

        Raises:
            redis.RedisError: Redis can't be asked.
        """
        key = self._keys.number
        keys = [key(number) for number in numbers]
        found: list[bytes | None] = self._redis.mget_nonatomic(keys) if self._is_cluster else self._redis.mget(keys)
        return found
