"""Reads the changes of a cluster's database: each range from the copy that the sequence names, where that runs."""

from collections.abc import Iterator, Mapping

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.selection import NoCopyError, Selection
from router.embedded.cluster.sequences import RANGES, Mark, pack
from router.embedded.couchdb.changes import PAGE_SIZE, TURNS, RowWriter, count_after, read_page
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import read_leaves
from router.embedded.couchdb.errors import no_database
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.tree import Leaf


class ClusterReader:
    """Reads a database's changes for one client.

    A range whose copy is lost continues in another node's, from the position up to which that one had replicated
    its rows to the first: later rows are sent again.

    Args:
        coordinator: chooses copies for the node that answers, also for a range that has none.
        nodes: the running nodes, by index.
        copies: the database.
        own: the coordinator's own copy.
        marks: position of each range; None for a range that was not read.
        broken_end: whether the feed ends with an error when the database is deleted.
    """

    def __init__(
        self,
        coordinator: Selection,
        nodes: Mapping[int, Node],
        copies: Copies,
        own: Database,
        marks: list[Mark | None],
        *,
        broken_end: bool,
    ) -> None:
        self._coordinator = coordinator
        self._nodes = nodes
        self._copies = copies
        self._own = own
        self._marks = marks
        self._broken_end = broken_end
        self._epoch = copies.epoch
        self._shard = 0

    @property
    def over(self) -> bool:
        """True when the shards were split since the feed began, or the coordinator is in maintenance.

        Raises:
            ApiError: 404, now and then, when the database was deleted.
        """
        if self._own.dropped and self._broken_end:
            raise no_database()
        return self._copies.epoch != self._epoch or self._coordinator.in_maintenance

    def lines(self, write_row: RowWriter, limit: int) -> Iterator[bytes]:
        """Yield up to `limit` lines, one range after the other, up to the copies' state at the start.

        Raises:
            ApiError: a named copy is silent for too long (500), or there is none (412).
        """
        first = next(TURNS) % RANGES
        order = (first, 1 - first)
        marks = {shard: self._resolve(shard) for shard in order}
        ends = {shard: self._database(mark).counters.sequence[shard] for shard, mark in marks.items()}
        for shard in order:
            self._shard = shard
            while limit > 0 and self._mark(shard).writes < ends[shard]:
                mark = self._mark(shard)
                size = min(limit, PAGE_SIZE)
                store, database = self._store(mark), self._database(mark)
                page = read_page(store, database, shard, (mark.writes, ends[shard]), size)
                for sequence, identity, *rest in page:
                    self._marks[shard] = Mark(mark.node, sequence, database.uuids[shard])
                    line = write_row(self.sequence(), identity, tuple(rest))
                    if line is not None:
                        limit -= 1
                        yield line
                if len(page) < size:
                    break
            if limit > 0:  # read to its end: the sequence says from which copy, if only nothing
                mark = self._mark(shard)
                self._marks[shard] = Mark(mark.node, mark.writes, self._copies.uuids[mark.node][shard])

    def sequence(self) -> str:
        """Return the position as a sequence."""
        return pack([(shard, self._mark(shard)) for shard in range(RANGES)], split=self._copies.split)

    def pending(self) -> int:
        """Count the rows after the position, in the copies that are read."""
        total = 0
        for shard in range(RANGES):
            mark = self._mark(shard)
            database = self._copies.databases.get(mark.node)
            if database is not None:
                total += count_after(self._store(mark), database, shard, mark.writes)
        return total

    def leaves(self, identity: str) -> list[Leaf]:
        """Return all leaves that the copy has whose row is being written."""
        mark = self._mark(self._shard)
        return read_leaves(self._store(mark), self._database(mark), identity)

    def _mark(self, shard: int) -> Mark:
        return self._marks[shard] or self._resolve(shard)

    def _resolve(self, shard: int) -> Mark:
        """Return the mark to read a range from, moved to another copy where its own can't be had."""
        mark = self._marks[shard]
        if mark is not None and self._usable(mark.node):
            self._coordinator.await_responsive([mark.node])
            if not self._usable(mark.node):  # it came to count as down meanwhile: what was under way fails
                raise NoCopyError
            return mark
        node = self._coordinator.pick(self._copies)
        count = 0
        if mark is not None:
            count = self._copies.safe_start(shard, mark.node, mark.writes, node)
        moved = Mark(node, count, self._copies.uuids[node][shard] if count else "")
        self._marks[shard] = moved
        return moved

    def _usable(self, node: int) -> bool:
        return node in self._coordinator.live() and node in self._copies.databases

    def _store(self, mark: Mark) -> Store:
        node = self._nodes.get(mark.node)
        if node is None:
            raise ConnectionAbortedError("the node that is read from died")
        return node.store

    def _database(self, mark: Mark) -> Database:
        database = self._copies.databases.get(mark.node)
        if database is None:
            raise ConnectionAbortedError("the node that is read from died")
        return database
