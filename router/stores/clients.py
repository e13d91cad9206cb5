"""Clients of Redis and CouchDB, opened as the settings name them, for the service and the commands."""

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import connect, is_cluster
from router.redis_store.entries import TTLs
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.redis_store.lease import Lease
from router.redis_store.sentinel import MasterWatcher
from router.runtime.request_durations import RequestDurations
from router.settings import Settings, SettingsError, credentials

_MANAGER_TIMEOUT = 1.0
"""Seconds for one response of Redis to the number manager: a caller waits for it."""
_BACKGROUND_TIMEOUT = 5.0
"""Seconds for one response of Redis to the follower, warm-up, audit and loading."""


class Stores:
    """Clients of both stores. Nothing is sent until they are used.

    Attributes:
        redis: the client of background work.
        lookup_redis: the client of lookups, which times out as early as a lookup must.
        master_watcher: follows the master that Redis' sentinels name; every long-running process starts it.
        can_track: whether Redis can report every change to one connection; a Cluster would need one for each node.
        writer: writes the cache for background work; `lookup_writer` for lookups, `manager_writer` for the number
            manager.
        reader: reads entries for background work; `lookup_reader` for lookups.
        databases: CouchDB for background work; `lookup_databases` with the timeout of lookups. Both share one
            credential gate.
        redis_durations, couch_durations: count the requests to each store.

    Raises:
        SettingsError: a URL or a password file that can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.redis.prefix)
        self._lease_ttl = settings.follower.lease_ttl
        ttls = TTLs(settings.cache.negative_ttl, settings.cache.tombstone_ttl, settings.cache.fill_ttl)
        redis_url = credentials.redis_url(settings)
        sentinels = credentials.sentinel_login(settings)
        try:
            self.redis = connect(redis_url, timeout=_BACKGROUND_TIMEOUT, sentinels=sentinels)
            self.lookup_redis = connect(redis_url, timeout=settings.redis.timeout, sentinels=sentinels)
            manager_redis = connect(redis_url, timeout=_MANAGER_TIMEOUT, sentinels=sentinels)
        except (ValueError, OSError) as problem:
            raise SettingsError(f"setting 'redis_url': {problem}") from None
        self.master_watcher = MasterWatcher((self.redis, self.lookup_redis, manager_redis))
        self.can_track = not is_cluster(self.redis)
        self.redis_durations = RequestDurations()
        self.writer = CacheStore(self.redis, self.keys, ttls, self.redis_durations)
        self.lookup_writer = CacheStore(self.lookup_redis, self.keys, ttls, self.redis_durations)
        self.manager_writer = CacheStore(manager_redis, self.keys, ttls, self.redis_durations)
        self.lookup_reader = EntryReader(self.lookup_redis, self.keys, self.redis_durations)
        self.reader = EntryReader(self.redis, self.keys, self.redis_durations)
        couch = CouchClient(credentials.couchdb_url(settings), timeout=settings.follower.timeout)
        self.couch_durations = couch.durations
        self.databases = CouchServer(couch)
        self.lookup_databases = CouchServer(couch.with_timeout(settings.couchdb.read_timeout))

    def lease(self) -> Lease:
        """Return the follower's lease, under an owner's name of its own."""
        return Lease(self.redis, self.keys, self._lease_ttl)
