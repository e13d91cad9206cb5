"""A Redis and a CouchDB-speaking database that need no installing."""

from router.embedded.cluster import EmbeddedCluster
from router.embedded.couchdb import EmbeddedCouchDB
from router.embedded.redis import EmbeddedRedis, RedisStartError

__all__ = ["EmbeddedCluster", "EmbeddedCouchDB", "EmbeddedRedis", "RedisStartError"]
