"""The events of `_db_updates`: buffered in memory and written to `_global_changes` twice a second.

As in CouchDB they are documents `type:name` of an ordinary database. So only the latest of each kind is
kept, in no order across databases, and a kill or a stop loses the events in memory.
"""

import threading
import time
from typing import Protocol

from router.embedded.couchdb.databases import Database, Databases
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.errors import ApiError
from router.embedded.couchdb.tree import Leaf
from router.runtime.chunked import chunked

GLOBAL_CHANGES = "_global_changes"
MAX_WRITE_DELAY = 0.5
"""Seconds: CouchDB's default of `[global_changes] max_write_delay`."""

_MIN_WAIT = 0.025
_BATCH_SIZE = 1000


class EventWriter(Protocol):
    """The part of a node that an announcer needs."""

    @property
    def databases(self) -> Databases:
        """All databases by name."""

    def leaves(self, database: Database, identity: str) -> list[Leaf]:
        """Return a document's leaves, the winner first."""

    def write(self, database: Database, drafts: list[Draft], *, replicated: bool) -> object:
        """Apply edits."""

    def wait_while_frozen(self) -> None:
        """Wait while the node is frozen."""


class Announcer:
    """Buffers events and writes them in a thread of its own.

    Args:
        delay: seconds between two writes, `max_write_delay`.
        phase: seconds by which its clock is behind the machine's, so that nodes don't write at the same time.
    """

    def __init__(self, delay: float = MAX_WRITE_DELAY, phase: float = 0.0) -> None:
        self._delay = delay
        self._phase = phase
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self, node: EventWriter) -> None:
        """Start writing."""
        self._thread = threading.Thread(target=self._run, args=(node,), name="couchdb-announcer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop at once; events not written are lost."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def note(self, kind: str, name: str) -> None:
        """Record that a database was `created`, `updated` or `deleted`."""
        if name == GLOBAL_CHANGES:
            return
        with self._lock:
            self._pending.add(f"{kind}:{name}")
        self._wake.set()

    def _run(self, node: EventWriter) -> None:
        while True:
            self._wake.wait()
            if self._stopped:
                return
            # The clock ticks independently of events, so an event waits 25 to 525 ms.
            tick = self._delay - (time.monotonic() - self._phase) % self._delay
            time.sleep(max(tick, _MIN_WAIT))
            try:
                node.wait_while_frozen()
                if self._stopped:
                    return
                self._wake.clear()
                with self._lock:
                    pending, self._pending = self._pending, set()
                self._write(node, sorted(pending))
            except ConnectionAbortedError:  # the store was closed meanwhile
                return

    def _write(self, node: EventWriter, identities: list[str]) -> None:
        for batch in chunked(identities, _BATCH_SIZE):
            database = node.databases.find(GLOBAL_CHANGES)
            if database is None:
                return  # there is no feed: events are dropped, not queued
            drafts = []
            for identity in batch:
                leaves = node.leaves(database, identity)
                parent = leaves[0].revision if leaves else None
                drafts.append(Draft(identity, parent, [], deleted=False, body={}))
            try:
                node.write(database, drafts, replicated=False)
            except ApiError:
                return  # dropped meanwhile
