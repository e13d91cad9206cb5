"""Reads entries: one MGET for a batch of numbers."""

from collections.abc import Sequence

from router.redis_store.client import is_cluster
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys
from router.runtime.request_durations import RequestDurations


class EntryReader:
    """Reads the entries of many numbers in one request.

    Args:
        durations: counts the requests.
    """

    def __init__(self, redis: RedisClient, keys: Keys, durations: RequestDurations | None = None) -> None:
        self._durations = durations or RequestDurations()
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
        read = self._redis.mget_nonatomic if self._is_cluster else self._redis.mget
        return self._durations.time("read", lambda: read(keys))
