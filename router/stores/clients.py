"""Redis and CouchDB as the settings name them: one place that opens both, for the service and the commands."""

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import connect, is_cluster
from router.redis_store.entries import TTLs
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.redis_store.lease import Lease
from router.redis_store.sentinel import MasterWatcher
from router.settings import Settings, SettingsError, credentials

_PROMPT = 1.0
"""Seconds for one answer of Redis to a change that somebody waits for."""
_PATIENT = 5.0
"""Seconds for one answer of Redis to anything that is not a lookup."""


class Stores:
    """Clients; nothing is sent until they are used.

    Attributes:
        redis: patient, for the follower, warm-up, audit and loading.
        quick: a writer that gives up as soon as a lookup must.
        prompt: a writer for changes that somebody waits for.
        reader: reads entries for lookups.
        master: to be started by whoever runs for long; follows the master that Redis' sentinels name.
        databases: patient; lookup_databases: under the lookup's time limit. Both share one credential gate.

    Raises:
        SettingsError: a URL or a password file that can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.redis.prefix)
        self._lease_life = settings.follower.lease_ttl
        lives = TTLs(settings.cache.negative_ttl, settings.cache.tombstone_ttl, settings.cache.fill_ttl)
        redis_url = credentials.redis_url(settings)
        sentinels = credentials.sentinel_login(settings)
        try:
            self.redis = connect(redis_url, timeout=_PATIENT, sentinels=sentinels)
            fast = connect(redis_url, timeout=settings.redis.timeout, sentinels=sentinels)
            prompt = connect(redis_url, timeout=_PROMPT, sentinels=sentinels)
        except (ValueError, OSError) as problem:
            raise SettingsError(f"setting 'redis_url': {problem}") from None
        self.fast_redis = fast
        self.master = MasterWatcher((self.redis, fast, prompt))
        self.can_track = not is_cluster(self.redis)
        """Whether Redis can tell one connection of every change: a Cluster would need one to each node."""
        self.writer = CacheStore(self.redis, self.keys, lives)
        self.quick = CacheStore(fast, self.keys, lives)
        self.prompt = CacheStore(prompt, self.keys, lives)
        self.reader = EntryReader(fast, self.keys)
        self.patient_reader = EntryReader(self.redis, self.keys)
        couch = CouchClient(credentials.couchdb_url(settings), timeout=settings.follower.timeout)
        self.databases = CouchServer(couch)
        self.lookup_databases = CouchServer(couch.with_timeout(settings.couchdb.read_timeout))

    def lease(self) -> Lease:
        """The follower's lease, under a name of its own."""
        return Lease(self.redis, self.keys, self._lease_life)
