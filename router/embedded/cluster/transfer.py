"""Replicates one copy's rows to another, as `mem3_rep` does: whole leaves with their revisions."""

from collections.abc import Mapping

import orjson

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.sequences import RANGES
from router.embedded.couchdb.changes import PAGE_SIZE, read_page
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import leaf_of, purge, read_leaves, write_drafts
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.sequences import Position
from router.embedded.couchdb.store import Row
from router.embedded.couchdb.tree import Leaf

_LOSERS = 7
"""Index, in a row of `read_page`, of the number of leaves besides the winner."""


def transfer_rows(nodes: Mapping[int, Node], copies: Copies, source: int, target: int, upto: Position) -> None:
    """Write the rows of `source`'s copy up to `upto` into `target`'s, after the purges of either."""
    _exchange_purges(nodes, copies, source, target)
    begun = copies.transferred(source, target)
    database = copies.databases[source]
    written = False
    for shard in range(RANGES):
        position = begun[shard]
        while position < upto[shard]:
            page = read_page(nodes[source].store, database, shard, (position, upto[shard]), PAGE_SIZE)
            known = _known(nodes[target], copies.databases[target], page)
            drafts = [
                draft
                for row in page
                if row[_LOSERS] or row[1:4] not in known
                for draft in _missing(nodes, copies, (source, target), row)
            ]
            if drafts:
                write_drafts(nodes[target].store, copies.databases[target], drafts, replicated=True)
                written = True
            if len(page) < PAGE_SIZE:
                break
            position = page[-1][0]
    copies.note_transferred(source, target, (max(begun[0], upto[0]), max(begun[1], upto[1])))
    if written:
        nodes[target].announcer.note("updated", copies.name)
        copies.touch()


def _known(node: Node, database: Database, page: list[Row]) -> set[Row]:
    """Return (id, generation, digest) of the page's documents in a copy, which mostly has them all."""
    if not page:
        return set()
    marks = ",".join("?" * len(page))
    return set(
        node.store.rows(
            f"SELECT id, generation, digest FROM documents WHERE db = ? AND id IN ({marks})",  # noqa: S608
            (database.id, *(row[1] for row in page)),
        )
    )


def _missing(nodes: Mapping[int, Node], copies: Copies, pair: tuple[int, int], row: Row) -> list[Draft]:
    """Return the leaves that the target lacks of the document in a row."""
    source, target = pair
    _, identity, *rest = row
    leaves = [leaf_of(tuple(rest))]
    if rest[5]:
        leaves = read_leaves(nodes[source].store, copies.databases[source], identity)
    known = read_leaves(nodes[target].store, copies.databases[target], identity)
    return [_draft(identity, leaf) for leaf in leaves if not any(one.knows(leaf.revision) for one in known)]


def _draft(identity: str, leaf: Leaf) -> Draft:
    return Draft(identity, leaf.revision, list(leaf.ancestors), leaf.deleted, orjson.loads(leaf.body))


def _exchange_purges(nodes: Mapping[int, Node], copies: Copies, source: int, target: int) -> None:
    """Apply each copy's purges to the other, so that purged revisions don't come back."""
    for missed in list(copies.purges):
        for one, other in ((source, target), (target, source)):
            if one in missed.nodes and other not in missed.nodes:
                purge(nodes[other].store, copies.databases[other], missed.requests)
                missed.nodes.add(other)
                nodes[other].announcer.note("updated", copies.name)
                copies.touch()
