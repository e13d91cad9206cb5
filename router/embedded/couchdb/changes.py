"""Reads the changes of one database: rows after a position, shard by shard."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import orjson

from router.embedded.couchdb import sequences
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import LEAF_COLUMNS, leaf_of, read_leaves, render
from router.embedded.couchdb.sequences import Position
from router.embedded.couchdb.store import Row, Store
from router.embedded.couchdb.tree import Leaf

PAGE_SIZE = 400
"""Rows read at a time: a feed holds no more in memory."""

TURNS = count()
"""Source of the shard that a pass begins with: the next number, modulo two."""

RowWriter = Callable[[str, str, Row], bytes | None]
"""Makes a line of (sequence, document id, a row that starts with `LEAF_COLUMNS` and `losers`); None skips."""


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The content of a row of `_changes`."""

    include_docs: bool = False
    all_leaves: bool = False
    only: frozenset[str] | None = None


class ChangesReader(Protocol):
    """Reads changes from a position on; each row advances it."""

    @property
    def over(self) -> bool:
        """Return whether a feed ends here, because its source was replaced."""

    def lines(self, write_row: RowWriter, limit: int) -> Iterator[bytes]:
        """Yield up to `limit` lines of rows after the position."""

    def sequence(self) -> str:
        """Return the position as a sequence."""

    def pending(self) -> int:
        """Count the rows after the position."""

    def leaves(self, identity: str) -> list[Leaf]:
        """Return all leaves of the document whose row is being written, the winner first."""


class Reader:
    """Walks a database's changes. `position` is how far it has got; a page is all that is in memory."""

    def __init__(self, store: Store, database: Database, position: Position) -> None:
        self._store = store
        self._database = database
        self.position = position
        self.over = False

    def leaves(self, identity: str) -> list[Leaf]:
        """Return all leaves of a document, the winner first."""
        return read_leaves(self._store, self._database, identity)

    def lines(self, write_row: RowWriter, limit: int) -> Iterator[bytes]:
        """Up to `limit` lines, to the state of the database at the start.

        One shard after the other, each time beginning with the other one: CouchDB merges them as they
        answer, so rows keep the order of writes within a shard only.
        """
        end = self._database.counters.sequence
        first = next(TURNS) % 2
        for shard in (first, 1 - first):
            while limit > 0 and self.position[shard] < end[shard]:
                size = min(limit, PAGE_SIZE)
                page = self._page(shard, end[shard], size)
                for sequence, identity, *rest in page:
                    self._advance(shard, sequence)
                    line = write_row(self.sequence(), identity, tuple(rest))
                    if line is not None:
                        limit -= 1
                        yield line
                if len(page) < size:
                    break  # the position stays at the last row, short of writes that have none

    def sequence(self) -> str:
        """The position as a sequence."""
        return sequences.pack(self.position, self._database.uuids)

    def pending(self) -> int:
        """Count the rows after the position."""
        return sum(count_after(self._store, self._database, shard, self.position[shard]) for shard in (0, 1))

    def _advance(self, shard: int, sequence: int) -> None:
        low, high = self.position
        self.position = (sequence, high) if shard == 0 else (low, sequence)

    def _page(self, shard: int, end: int, size: int) -> list[Row]:
        return read_page(self._store, self._database, shard, (self.position[shard], end), size)


def read_page(store: Store, database: Database, shard: int, between: tuple[int, int], size: int) -> list[Row]:
    """Read rows of (sequence, id, `LEAF_COLUMNS`, losers) after the first and up to the second of `between`."""
    return store.rows(
        f"SELECT seq, id, {LEAF_COLUMNS}, losers FROM documents"  # noqa: S608
        " WHERE db = ? AND shard = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        (database.id, shard, *between, size),
    )


def count_after(store: Store, database: Database, shard: int, sequence: int) -> int:
    """Count the rows of a shard after a sequence."""
    row = store.row(
        "SELECT count(*) FROM documents WHERE db = ? AND shard = ? AND seq > ?", (database.id, shard, sequence)
    )
    return row[0] if row else 0


def row_writer(reader: ChangesReader, options: RowOptions) -> RowWriter:
    """Rows as `_changes` has them."""

    def write(sequence: str, identity: str, row: Row) -> bytes | None:
        if options.only is not None and identity not in options.only:
            return None
        leaf = leaf_of(row)
        leaves = [leaf]
        if options.all_leaves and row[5]:
            leaves = reader.leaves(identity)
        revisions = b",".join(b'{"rev":%b}' % orjson.dumps(str(one.revision)) for one in leaves)
        line = b'{"seq":"%b","id":%b,"changes":[%b]' % (sequence.encode(), orjson.dumps(identity), revisions)
        if leaf.deleted:
            line += b',"deleted":true'
        if options.include_docs:
            line += b',"doc":' + render(identity, leaf)
        return line + b"}"

    return write
