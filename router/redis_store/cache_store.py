"""The cache in Redis: its three stores over one client."""

from router.redis_store.checkpoints import CheckpointStore
from router.redis_store.commands import RedisClient
from router.redis_store.entries import EntryStore, TTLs
from router.redis_store.keys import Keys
from router.redis_store.reference_documents import ReferenceDocumentStore


class CacheStore:
    """The stores that share one Redis client and its time limits.

    Attributes:
        redis, keys: the client, and the names of the keys.
        entries: of numbers.
        checkpoints: of databases.
        documents: accounts, port requests and configuration.
    """

    def __init__(self, redis: RedisClient, keys: Keys, ttls: TTLs) -> None:
        self.redis = redis
        self.keys = keys
        self.entries = EntryStore(redis, keys, ttls)
        self.checkpoints = CheckpointStore(redis, keys)
        self.documents = ReferenceDocumentStore(redis, keys)
