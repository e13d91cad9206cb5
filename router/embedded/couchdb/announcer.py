"""What `_db_updates` is made of: events gathered in memory and written to `_global_changes` twice a second.

As in CouchDB they are documents `type:name` of an ordinary database, so only the latest of each kind is
kept, in no order across databases, and what a kill or a stop finds in memory is lost.
"""

import threading
import time

from router.embedded.couchdb.databases import Databases
from router.embedded.couchdb.documents import read_leaves, write_drafts
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.errors import ApiError
from router.embedded.couchdb.store import Store

GLOBAL_CHANGES = "_global_changes"
_EVERY_SECONDS = 0.5
_AT_LEAST_SECONDS = 0.025
_BATCH = 1000


class Announcer:
    """Gathers events and writes them from a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: set[str] = set()
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self, databases: Databases) -> None:
        """Begin writing."""
        self._thread = threading.Thread(target=self._run, args=(databases,), name="couchdb-announcer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop at once; events not written are lost."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def note(self, kind: str, name: str) -> None:
        """Remember that a database was `created`, `updated` or `deleted`."""
        if name == GLOBAL_CHANGES:
            return
        with self._turn:
            self._pending.add(f"{kind}:{name}")
        self._wake.set()

    def _run(self, databases: Databases) -> None:
        while True:
            self._wake.wait()
            if self._stopped:
                return
            # the clock ticks on its own, so an event waits anything from 25 to 525 ms
            tick = _EVERY_SECONDS - time.monotonic() % _EVERY_SECONDS
            time.sleep(max(tick, _AT_LEAST_SECONDS))
            if self._stopped:
                return
            self._wake.clear()
            with self._turn:
                pending, self._pending = self._pending, set()
            try:
                self._write(databases, sorted(pending))
            except ConnectionAbortedError:  # the store was closed meanwhile
                return

    def _write(self, databases: Databases, identities: list[str]) -> None:
        for start in range(0, len(identities), _BATCH):
            database = databases.find(GLOBAL_CHANGES)
            if database is None:
                return  # nobody listens: dropped, not queued
            drafts = []
            for identity in identities[start : start + _BATCH]:
                leaves = read_leaves(self._store, database, identity)
                parent = leaves[0].revision if leaves else None
                drafts.append(Draft(identity, parent, [], deleted=False, body={}))
            try:
                write_drafts(self._store, database, drafts, replicated=False)
            except ApiError:
                return  # dropped meanwhile
