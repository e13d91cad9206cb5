"""The state of one server, and the operations on it that requests need."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from router.embedded.couchdb import sequences
from router.embedded.couchdb.announcer import Announcer
from router.embedded.couchdb.authentication import Authenticator
from router.embedded.couchdb.changes import ChangesReader, Reader
from router.embedded.couchdb.databases import SYSTEM_NAMES, Database, Databases
from router.embedded.couchdb.documents import purge, read_leaves, write_drafts
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.tree import Leaf

_SYSTEM_DATABASES_MADE = "system databases made"
_SINGLE_NODE_SETTINGS = {"cluster": {"q": "2", "n": "1"}}


class WriteOutcomes(NamedTuple):
    """Outcomes of edits, in their order.

    `outcomes` has a revision each, None for a conflict; `accepted` the positions of those that too few copies took.
    """

    outcomes: list[Revision | None]
    accepted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Node:
    """One server's state and operations. `stopping` ends every feed when set."""

    uuid: str
    store: Store
    databases: Databases
    announcer: Announcer
    authenticator: Authenticator
    stopping: threading.Event
    name: str = "couchdb@127.0.0.1"
    settings: dict[str, dict[str, str]] = field(default_factory=lambda: _SINGLE_NODE_SETTINGS)
    """The content of `_node/_local/_config`: values by section and name."""

    @property
    def in_maintenance(self) -> bool:
        """Return whether `_up` reports that the node must not be used."""
        return False

    def wait_while_frozen(self) -> None:
        """Wait while the node is frozen; a single node never is."""

    def membership(self) -> dict[str, list[str]]:
        """Return the body of `GET /_membership`."""
        return {"all_nodes": [self.name], "cluster_nodes": [self.name]}

    def create(self, name: str) -> bool:
        """Create a database, and return whether enough nodes know of it; raises 400 (name) or 412 (exists)."""
        self.databases.create(name)
        return True

    def delete(self, name: str) -> bool:
        """Drop a database, and return whether enough nodes know of it; raises the 404."""
        self.databases.delete(name)
        return True

    def info(self, database: Database) -> dict[str, Any]:
        """Return the body of `GET /{db}`."""
        return database.info()

    def copies(self, database: Database) -> Iterable[tuple[Databases, Database]]:
        """Return each copy that can be reached, with the databases that it belongs to."""
        return ((self.databases, database),)

    def leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:  # noqa: ARG002
        """Return a document's leaves, the winner first, as `quorum` copies have them."""
        return read_leaves(self.store, database, identity)

    def all_leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:  # noqa: ARG002
        """Return the leaves that any of `quorum` copies has, the winner first."""
        return read_leaves(self.store, database, identity)

    def write(
        self,
        database: Database,
        drafts: list[Draft],
        *,
        replicated: bool,
        quorum: int | None = None,  # noqa: ARG002
    ) -> WriteOutcomes:
        """Apply edits, to `quorum` copies before the answer, and announce them."""
        outcomes = write_drafts(self.store, database, drafts, replicated=replicated)
        if any(outcomes):
            self.databases.announce_update(database)
        return WriteOutcomes(outcomes)

    def purge(self, database: Database, requests: dict[str, list[Revision]]) -> tuple[dict[str, list[Revision]], bool]:
        """Remove revisions; return those removed, and whether too few copies did it."""
        done = purge(self.store, database, requests)
        if any(done.values()):
            self.databases.announce_update(database)
        return done, False

    def reader(self, database: Database, since: str) -> ChangesReader:
        """Return a reader of the changes after `since`; raises a 400 `ApiError` where that is no sequence."""
        position = database.counters.sequence if since == "now" else sequences.unpack(since, database.uuids)
        return Reader(self.store, database, position)

    def listed_copy(self, database: Database) -> tuple[Store, Database]:
        """Return the copy that a listing is read from."""
        return self.store, database

    def listed_sequence(self, copy: Database) -> str:
        """Return the sequence that a listing of `copy` shows."""
        return sequences.pack(copy.counters.sequence, None)

    def stop(self) -> None:
        """Release everything. Announcements not written yet are lost, as in CouchDB."""
        self.stopping.set()
        self.announcer.stop()
        for name in self.databases.names():
            database = self.databases.find(name)
            if database is not None:
                with database.changed:
                    database.changed.notify_all()
        self.store.close()


def open_node(directory: Path, authenticator: Authenticator) -> Node:
    """Open or create the node stored in `directory`.

    A new one gets CouchDB's system databases and `_global_changes`; one dropped later stays dropped.
    """
    store = Store(directory)
    announcer = Announcer()
    databases = Databases(store, announcer.note)
    node = Node(server_uuid(store), store, databases, announcer, authenticator, threading.Event())
    announcer.start(node)
    if needs_system_databases(store):
        for name in SYSTEM_NAMES:
            if databases.find(name) is None:
                databases.create(name)
        mark_system_databases_made(store)
    return node


def server_uuid(store: Store) -> str:
    """Return the server's UUID from a store, generated where there is none: 32 hex digits."""
    row = store.row("SELECT value FROM meta WHERE key = 'uuid'")
    if row is None:
        with store.write() as connection:
            connection.execute("INSERT INTO meta VALUES ('uuid', lower(hex(randomblob(16))))")
        row = store.row("SELECT value FROM meta WHERE key = 'uuid'")
    return str(row[0]) if row else ""


def needs_system_databases(store: Store) -> bool:
    """Return whether the system databases were never created in a store."""
    return store.row("SELECT value FROM meta WHERE key = ?", (_SYSTEM_DATABASES_MADE,)) is None


def mark_system_databases_made(store: Store) -> None:
    """Record that the system databases were created: one that is dropped later stays dropped."""
    with store.write() as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 'yes')", (_SYSTEM_DATABASES_MADE,))
