"""A CouchDB, a Redis, and what is written into them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from redis import Redis

from router.couch.client import CouchClient
from router.couch.errors import ConflictError, NotFoundError
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster, EmbeddedCouchDB
from router.entries import codec
from router.entries.codec import Entry
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.shards import shard_for
from router.redis_store.cache_store import CacheStore
from router.redis_store.entries import TTLs
from router.redis_store.entry_reader import EntryReader
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.follower_status import read as read_status
from router.redis_store.keys import Keys
from router.settings import Settings

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32
NUMBER = "+14158867900"

QUICK: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "admin_listen": "127.0.0.1:0",
    "http_listen": "",
    "shutdown_grace_period": 0.0,
    "follower_lease_ttl": 1.0,
    "follower_heartbeat": 0.5,
    "follower_reconcile_interval": 1.0,
}
_PREFIXES = itertools.count()


class RealStores:
    """The stores of a service or a follower, and the means to change them.

    Attributes:
        couchdb_url, redis_url: what a service is told; a test may put a relay in between.
    """

    def __init__(self, couchdb: EmbeddedCouchDB | EmbeddedCluster, redis_url: str) -> None:
        self.couchdb = couchdb
        self.couchdb_url = couchdb.url
        self.redis_url = redis_url
        self.prefix = f"test-{next(_PREFIXES)}:"
        self.redis: Any = cast("Any", Redis.from_url(redis_url))
        self.keys = Keys(self.prefix)
        self.reader = EntryReader(self.redis, self.keys)
        self.writer = CacheStore(self.redis, self.keys, TTLs(10, 86400, 300))
        self.databases = CouchServer(CouchClient(couchdb.url, timeout=20))

    @property
    def options(self) -> tuple[str, ...]:
        """Options of a command that uses these stores."""
        urls = ("--couchdb-url", self.couchdb_url, "--redis-url", self.redis_url)
        return (*urls, "--redis-prefix", self.prefix)

    def settings(self, **more: Any) -> Settings:
        """Settings for these stores, with short intervals."""
        own = {"couchdb_url": self.couchdb_url, "redis_url": self.redis_url, "redis_prefix": self.prefix}
        return Settings.load(None, **{**QUICK, **own, **more})

    def close(self) -> None:
        """Hang up."""
        self.redis.close()

    def put(self, database: str, identifier: str, **fields: Any) -> str:
        """Write a document, over the one there is; its database is made when it is missing."""
        try:
            fields["_rev"] = self.databases.database(database).get(identifier)["_rev"]
        except NotFoundError:
            self.create(database)
        return self.databases.database(database).put({"_id": identifier, **fields})

    def create(self, *names: str) -> None:
        """Make databases that are not there yet."""
        for name in names:
            try:
                self.databases.database(name).create()
            except ConflictError:
                continue

    def number(self, number: str = NUMBER, account: str | None = ONE, **fields: Any) -> str:
        """Write a number document; returns its revision."""
        document: dict[str, Any] = {"pvt_type": "number", "pvt_number_state": "in_service", **fields}
        if account is not None:
            document["pvt_assigned_to"] = account
        return self.put(str(shard_for(number)), number, **document)

    def numbers(self, database: str, count: int, account: str = ONE) -> list[str]:
        """Write many number documents at once."""
        self.create(database)
        names = [f"{database.removeprefix('numbers/')}{index:07}" for index in range(count)]
        fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": account}
        self.databases.database(database).put_many([{"_id": name, **fields} for name in names])
        return names

    def remove(self, database: str, identifier: str) -> str:
        """Delete a document; returns the deletion's revision."""
        revision = str(self.databases.database(database).get(identifier)["_rev"])
        return self.databases.database(database).delete(identifier, revision)

    def account(self, account: str, *, enabled: bool = True) -> str:
        """Write an account document."""
        return self.put("accounts", account, pvt_type="account", pvt_enabled=enabled, name="An account")

    def port(self, name: str, account: str, *numbers: str, state: str = "submitted") -> str:
        """Write a port request."""
        named: dict[str, Any] = {number: {} for number in numbers}
        return self.put(
            "port_requests",
            name,
            pvt_type="port_request",
            pvt_port_state=state,
            pvt_account_id=account,
            numbers=named,
        )

    def configure(self, **section: Any) -> str:
        """Write the number manager's part of system_config."""
        return self.put("system_config", "number_manager", default=section)

    def held(self, number: str = NUMBER) -> Entry | None:
        """Return what the cache holds for a number."""
        value = self.reader.entries([number])[0]
        return None if value is None else codec.unpack(value)

    def cached(self, number: str = NUMBER) -> str:
        """The account that the cache names, else what else it says; empty for nothing."""
        held = self.held(number)
        if held is None:
            return ""
        if held.kind == codec.ROUTE:
            return held.account_id
        return {codec.REFUSAL: "refusal", codec.TOMBSTONE: "deleted", codec.NEGATIVE: "nothing"}[held.kind]

    def mark_reference_data_complete(self) -> None:
        """Have Redis say that it holds all accounts, port requests and configuration, as a follower would."""
        for name in REFERENCE_DATABASES:
            begun = self.writer.checkpoints.begin_epoch(name, 1, instance_start_time="", purge_seq=0, fingerprint="")
            assert begun is not None
            self.writer.documents.clear(name, begun.epoch)
            self.writer.checkpoints.mark_complete(name, {})
            self.writer.documents.publish_reload(name)

    def status(self) -> FollowerStatus | None:
        """Return the leading follower's status."""
        return read_status(self.redis, self.keys)

    def complete(self, *databases: str) -> bool:
        """Return whether the follower has all of these in the cache."""
        return all(each.complete for each in self.writer.checkpoints.get_many(databases))


@contextmanager
def stores_for_switches(redis_url: str) -> Iterator[RealStores]:
    """Make stores with a number that routes, and one that takes no calls."""
    with EmbeddedCouchDB() as couchdb:
        made = RealStores(couchdb, redis_url)
        made.number(NUMBER, ONE)
        made.number("+14158867903", ONE, pvt_number_state="aging")
        yield made
        made.close()
