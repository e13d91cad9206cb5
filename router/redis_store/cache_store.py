"""The cache in Redis: its three stores over one client."""

from router.redis_store.checkpoints import CheckpointStore
from router.redis_store.commands import RedisClient
from router.redis_store.entries import EntryStore, TTLs
from router.redis_store.keys import Keys
from router.redis_store.reference_documents import ReferenceDocumentStore
from router.runtime.request_durations import RequestDurations


class CacheStore:
    """The stores that share one Redis client and its time limits.

    Attributes:
        redis, keys: the client, and the names of the keys.
        entries: of numbers.
        checkpoints: of databases.
        documents: accounts, port requests and configuration.

    Args:
        durations: counts the requests that lookups and the follower make.
    """

    def __init__(self, redis: RedisClient, keys: Keys, ttls: TTLs, durations: RequestDurations | None = None) -> None:
        durations = durations or RequestDurations()
        self.redis = redis
        self.keys = keys
        self.entries = EntryStore(redis, keys, ttls, durations)
        self.checkpoints = CheckpointStore(redis, keys, durations)
        self.documents = ReferenceDocumentStore(redis, keys)
