"""The databases there are: made, dropped, and what each says of itself."""

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from router.embedded.couchdb import sequences
from router.embedded.couchdb.errors import file_exists, illegal_database_name, no_database
from router.embedded.couchdb.sequences import Position, Uuids
from router.embedded.couchdb.store import Store

_NAME = re.compile(r"[a-z][a-z0-9_$()+/-]*")
SYSTEM_NAMES = ("_global_changes", "_replicator", "_users")
_DEFAULT_SECURITY = '{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}'
_EMPTY_FILE_BYTES = 16700
_DOCUMENT_BYTES = 600  # sizes are a guess: nothing may rely on them

Announce = Callable[[str, str], None]
"""Called with (`created`|`updated`|`deleted`, database name) for every event of `_db_updates`."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters that a write advances. A commit replaces the whole object."""

    sequence: Position = sequences.START
    purges: Position = sequences.START
    live: int = 0
    dead: int = 0

    def stepped(self, shard: int) -> "Counters":
        """Return these counters with one more write in `shard`."""
        return replace(self, sequence=_step(self.sequence, shard, 1))

    def purged(self, shard: int, writes: int) -> "Counters":
        """Return these counters with one more purge in `shard`, which also counts as `writes` writes."""
        return replace(self, purges=_step(self.purges, shard, 1), sequence=_step(self.sequence, shard, writes))


def _step(position: Position, shard: int, by: int) -> Position:
    low, high = position
    return (low + by, high) if shard == 0 else (low, high + by)


@dataclass(eq=False, slots=True)
class Database:
    """One incarnation of a database. Feeds wait on `changed`; every event increments `version`."""

    id: int
    name: str
    created: int
    uuids: Uuids
    counters: Counters
    revs_limit: int
    security: str
    changed: threading.Condition = field(default_factory=threading.Condition)
    version: int = 0
    dropped: bool = False
    validated: set[int] = field(default_factory=set)
    """Shards that have taken an ordinary write since the start; see `documents.py`."""

    def publish(self, counters: Counters) -> None:
        """Make a committed write visible to readers and waiting feeds."""
        with self.changed:
            self.counters = counters
            self.version += 1
            self.changed.notify_all()

    def touch(self) -> None:
        """Wake waiting feeds."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def drop(self) -> None:
        """End the feeds: the database was dropped."""
        with self.changed:
            self.dropped = True
            self.version += 1
            self.changed.notify_all()

    def info(self) -> dict[str, Any]:
        """Return the body of `GET /{db}`."""
        counters = self.counters
        count = counters.live + counters.dead
        return {
            "instance_start_time": str(self.created),
            "db_name": self.name,
            "purge_seq": sequences.pack_info(counters.purges, None),
            "update_seq": sequences.pack_info(counters.sequence, self.uuids),
            "sizes": {
                "file": _EMPTY_FILE_BYTES + 2 * _DOCUMENT_BYTES * count,
                "external": _DOCUMENT_BYTES * counters.live,
                "active": _DOCUMENT_BYTES * count,
            },
            "props": {},
            "doc_del_count": counters.dead,
            "doc_count": counters.live,
            "disk_format_version": 8,
            "compact_running": False,
            "cluster": {"q": 2, "n": 1, "w": 1, "r": 1},
        }


class Databases:
    """All databases by name, in memory and in the store."""

    def __init__(self, store: Store, announce: Announce) -> None:
        self._store = store
        self._announce = announce
        self._by_name: dict[str, Database] = {}
        for row in store.rows(
            "SELECT id, name, created, uuid_low, uuid_high, seq_low, seq_high, purge_low, purge_high,"
            " live, dead, revs_limit, security FROM databases"
        ):
            counters = Counters((row[5], row[6]), (row[7], row[8]), row[9], row[10])
            self._by_name[row[1]] = Database(row[0], row[1], row[2], Uuids(row[3], row[4]), counters, row[11], row[12])

    def get(self, name: str) -> Database:
        """Return the database of that name; raises the 404."""
        database = self._by_name.get(name)
        if database is None:
            raise no_database()
        return database

    def find(self, name: str) -> Database | None:
        """Return the database of that name, or None."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """Return every name, in byte order."""
        return sorted(self._by_name, key=str.encode)

    def create(self, name: str, created: int | None = None) -> None:
        """Create a database; raises 400 (name) or 412 (exists). `created` is in Unix seconds; None for now."""
        if not _NAME.fullmatch(name) and name not in SYSTEM_NAMES:
            raise illegal_database_name(name)
        uuids = Uuids(uuid.uuid4().hex, uuid.uuid4().hex)
        created = int(time.time()) if created is None else created
        with self._store.lock:
            if name in self._by_name:
                raise file_exists()
            with self._store.write() as connection:
                cursor = connection.execute(
                    "INSERT INTO databases (name, created, uuid_low, uuid_high, security) VALUES (?,?,?,?,?)",
                    (name, created, uuids.low, uuids.high, _DEFAULT_SECURITY),
                )
            identity = cursor.lastrowid or 0
            self._by_name[name] = Database(identity, name, created, uuids, Counters(), 1000, _DEFAULT_SECURITY)
        self._announce("created", name)
        self._announce("updated", "_dbs")

    def delete(self, name: str) -> None:
        """Drop a database with all its documents; raises the 404."""
        with self._store.lock:
            database = self.get(name)
            with self._store.write() as connection:
                for table in ("documents", "losers", "locals"):
                    connection.execute(f"DELETE FROM {table} WHERE db = ?", (database.id,))  # noqa: S608
                connection.execute("DELETE FROM databases WHERE id = ?", (database.id,))
            del self._by_name[name]
            database.drop()
        self._announce("deleted", name)
        self._announce("updated", "_dbs")

    def announce_update(self, database: Database) -> None:
        """Announce on `_db_updates` that a document of this database was written."""
        self._announce("updated", database.name)

    def save_local(self, database: Database, identity: str, revision: int, body: str) -> None:
        """Store a `_local` document, whose revision is `0-` and a number."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO locals VALUES (?, ?, ?, ?) ON CONFLICT (db, id)"
                " DO UPDATE SET revision = excluded.revision, body = excluded.body",
                (database.id, identity, revision, body),
            )

    def delete_local(self, database: Database, identity: str) -> None:
        """Remove a `_local` document."""
        with self._store.write() as connection:
            connection.execute("DELETE FROM locals WHERE db = ? AND id = ?", (database.id, identity))

    def set_security(self, database: Database, security: object) -> None:
        """Store the security object. It moves `update_seq` in both shards, and no row shows it."""
        text = orjson.dumps(security).decode()
        self._set(database, "security", text)
        database.security = text

    def set_revs_limit(self, database: Database, limit: int) -> None:
        """Store the number of kept ancestors. It moves `update_seq` like `set_security`."""
        self._set(database, "revs_limit", limit)
        database.revs_limit = limit

    def _set(self, database: Database, column: str, value: str | int) -> None:
        with self._store.lock:
            counters = database.counters.stepped(0).stepped(1)
            with self._store.write() as connection:
                connection.execute(
                    f"UPDATE databases SET {column} = ?, seq_low = ?, seq_high = ? WHERE id = ?",  # noqa: S608
                    (value, *counters.sequence, database.id),
                )
            database.publish(counters)
