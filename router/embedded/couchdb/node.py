"""What every request needs, in one place."""

import threading
from dataclasses import dataclass
from pathlib import Path

from router.embedded.couchdb.announcer import Announcer
from router.embedded.couchdb.auth import Gate
from router.embedded.couchdb.databases import SYSTEM_NAMES, Databases
from router.embedded.couchdb.store import Store

_MADE = "system databases made"


@dataclass(frozen=True, slots=True)
class Node:
    """One server's state. `stopping` cuts every feed short when set."""

    uuid: str
    store: Store
    databases: Databases
    announcer: Announcer
    gate: Gate
    stopping: threading.Event

    def stop(self) -> None:
        """Let go of everything. Announcements not written yet are lost, as CouchDB loses them."""
        self.stopping.set()
        self.announcer.stop()
        for name in self.databases.names():
            database = self.databases.find(name)
            if database is not None:
                with database.changed:
                    database.changed.notify_all()
        self.store.close()


def open_node(directory: Path, gate: Gate) -> Node:
    """Open, or make, the node kept in `directory`.

    A new one gets CouchDB's system databases and `_global_changes`; one dropped later stays dropped.
    """
    store = Store(directory)
    announcer = Announcer(store)
    databases = Databases(store, announcer.note)
    announcer.start(databases)
    return Node(_identity(store, databases), store, databases, announcer, gate, threading.Event())


def _identity(store: Store, databases: Databases) -> str:
    row = store.row("SELECT value FROM meta WHERE key = 'uuid'")
    if row is None:
        with store.write() as connection:
            connection.execute("INSERT INTO meta VALUES ('uuid', lower(hex(randomblob(16))))")
        row = store.row("SELECT value FROM meta WHERE key = 'uuid'")
    if store.row("SELECT value FROM meta WHERE key = ?", (_MADE,)) is None:
        for name in SYSTEM_NAMES:
            if databases.find(name) is None:
                databases.create(name)
        with store.write() as connection:
            connection.execute("INSERT INTO meta VALUES (?, 'yes')", (_MADE,))
    return str(row[0]) if row else ""
