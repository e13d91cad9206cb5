"""Reading the cache: one MGET for a batch of numbers."""

from collections.abc import Sequence
from typing import Any

from redis.cluster import RedisCluster

from router.cache.keys import Keys


class CacheReader:
    """Gathers the entries of many numbers in one request."""

    def __init__(self, redis: Any, keys: Keys) -> None:
        self._keys = keys
        self._mget = redis.mget_nonatomic if isinstance(redis, RedisCluster) else redis.mget

    def entries(self, numbers: Sequence[str]) -> list[bytes | None]:
        """The bytes kept for each number, None where there are none (or something else stands there).

        Raises:
            redis.RedisError: Redis can't be asked.
        """
        key = self._keys.number
        found: list[bytes | None] = self._mget([key(number) for number in numbers])
        return found
