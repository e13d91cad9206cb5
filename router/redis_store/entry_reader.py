"""Reads entries: one MGET for a batch of numbers."""

from collections.abc import Sequence

from router.redis_store.client import is_cluster
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys


class EntryReader:
    """Reads the entries of many numbers in one request."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._keys = keys
        self._redis = redis
        self._is_cluster = is_cluster(redis)

    def entries(self, numbers: Sequence[str]) -> list[bytes | None]:
        """Return the stored bytes of each number; None where the key is missing or of another type.

        Raises:
            redis.RedisError: Redis can't be reached.
        """
        key = self._keys.number
        keys = [key(number) for number in numbers]
        return self._redis.mget_nonatomic(keys) if self._is_cluster else self._redis.mget(keys)
