"""The copies of one database: their nodes, and how far each was replicated to the others."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from router.embedded.couchdb import sequences
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.sequences import Position, Uuids

_CHECKPOINTS = 200
"""Checkpoints of each pair of nodes. A reader with an older sequence starts from the beginning at another copy."""


@dataclass(slots=True)
class Purge:
    """Revisions to remove, and the nodes that have done it."""

    requests: dict[str, list[Revision]]
    nodes: set[int] = field(default_factory=set)


class Copies:
    """The copies of one incarnation of a database. Nodes are counted from 0.

    `databases` has the copy of each running node; `uuids` has the UUIDs of all nodes.
    """

    def __init__(self, name: str, created: int, nodes: int) -> None:
        self.name = name
        self.created = created
        self.databases: dict[int, Database] = {}
        self.uuids: dict[int, Uuids] = {}
        self.split = False
        self.purges: list[Purge] = []
        self.equal = True
        """Every write so far has reached all copies with the same outcome."""
        self.comparison_scheduled = False
        """A comparison of the copies is scheduled already."""
        self.epoch = 0
        """Incremented by each split: a feed that began before it ends."""
        self._nodes = nodes
        self._writing = 0
        self._lock = threading.Lock()
        self._transferred: dict[tuple[int, int], Position] = {}
        self._history: dict[tuple[int, int], deque[tuple[Position, Position]]] = {}

    def add(self, node: int, database: Database) -> None:
        """Register the copy of a node."""
        self.databases[node] = database
        self.uuids[node] = database.uuids

    def touch(self) -> None:
        """Wake the feeds at every node."""
        for database in list(self.databases.values()):
            database.touch()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the copies from being marked equal during a write."""
        with self._lock:
            self._writing += 1
        try:
            yield
        finally:
            with self._lock:
                self._writing -= 1

    def note_purge(self, requests: dict[str, list[Revision]], nodes: set[int]) -> None:
        """Record a purge for the nodes that missed it."""
        with self._lock:
            self.equal = self.equal and len(nodes) == self._nodes
            self.purges = [purge for purge in self.purges if len(purge.nodes) < self._nodes]
            self.purges.append(Purge(requests, nodes))

    def mark_equal_if_synced(self) -> bool:
        """Mark the copies equal where each has everything of the others; return False where that is not known."""
        with self._lock:
            if self._writing or len(self.databases) < self._nodes:
                return False
            if not self.equal and not all(self.has_all(*pair) for pair in self._pairs()):
                return False
            self.equal = True
            for source, target in self._pairs():
                self._note(source, target, self._position(source), self._position(target))
            return True

    def has_all(self, source: int, target: int) -> bool:
        """Return whether everything of `source`'s copy is known to be in `target`'s."""
        return self.transferred(source, target) == self._position(source)

    def transferred(self, source: int, target: int) -> Position:
        """Return the position up to which the rows of `source`'s copy are in `target`'s."""
        return self._transferred.get((source, target), sequences.START)

    def note_transferred(self, source: int, target: int, upto: Position) -> None:
        """Record that the rows of `source` up to `upto` are in `target`'s copy."""
        with self._lock:
            self._note(source, target, upto, self._position(target))

    def safe_start(self, shard: int, node: int, count: int, replacement: int) -> int:
        """Return the position to read `replacement`'s copy from, after `node`'s was read up to `count`.

        Up to there `replacement` had replicated its rows to `node` by then; 0 where nothing is known.
        """
        start = 0
        for source, target in self._history.get((replacement, node), ()):
            if target[shard] <= count:
                start = max(start, source[shard])
        return start

    def _note(self, source: int, target: int, upto: Position, reached: Position) -> None:
        self._transferred[source, target] = upto
        history = self._history.setdefault((source, target), deque(maxlen=_CHECKPOINTS))
        if not history or history[-1] != (upto, reached):
            history.append((upto, reached))

    def _position(self, node: int) -> Position:
        return self.databases[node].counters.sequence

    def _pairs(self) -> list[tuple[int, int]]:
        return [(one, other) for one in self.databases for other in self.databases if one != other]
