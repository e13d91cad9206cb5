"""Writes, purges and reads documents in the store."""

import sqlite3
from dataclasses import dataclass, replace

import orjson

from router.embedded.couchdb.databases import Counters, Database
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.errors import no_database
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.sequences import shard_of
from router.embedded.couchdb.store import Row, Store
from router.embedded.couchdb.tree import Leaf, edit, plant

LEAF_COLUMNS = "generation, digest, deleted, ancestors, body"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored document: `leaves` has the winner first; `row` is 0 before the first save."""

    row: int
    shard: int
    leaves: list[Leaf]


def write_drafts(store: Store, database: Database, drafts: list[Draft], *, replicated: bool) -> list[Revision | None]:
    """Apply edits in one transaction and publish them.

    Returns:
        For each draft its new revision, or None for a conflict (ordinary edits only). Replicated drafts
        always answer with their own revision.
    """
    with store.lock:
        if database.dropped:
            raise no_database()
        counters = database.counters
        outcomes: list[Revision | None] = []
        with store.write() as connection:
            for draft in drafts:
                outcome, counters = _write(connection, database, draft, counters, replicated=replicated)
                outcomes.append(outcome)
            if counters != database.counters:
                _save_counters(connection, database, counters)
        if counters != database.counters:
            database.publish(counters)
    return outcomes


def _write(
    connection: sqlite3.Connection, database: Database, draft: Draft, counters: Counters, *, replicated: bool
) -> tuple[Revision | None, Counters]:
    stored = _load(connection, database, draft.id)
    shard = stored.shard if stored else shard_of(draft.id)
    old = stored.leaves if stored else []
    new = plant(draft, old) if replicated else _edit(database, shard, draft, old)
    if new is None:
        return (draft.revision if replicated else None), counters
    leaves = sorted((leaf.trimmed(database.revs_limit) for leaf in new), key=Leaf.rank, reverse=True)
    counters = _counted(counters.stepped(shard), old, leaves)
    saved = Stored(stored.row if stored else 0, shard, leaves)
    _save(connection, database, draft.id, counters.sequence[shard], saved)
    return new[0].revision, counters


def _edit(database: Database, shard: int, draft: Draft, leaves: list[Leaf]) -> list[Leaf] | None:
    # CouchDB 3.5 accepts a `_rev` of a document that it never had, once the shard has taken another write.
    # Before that it has not looked for validation functions yet, and that code path refuses.
    unknown_parent = shard in database.validated
    if leaves or draft.revision is None:
        database.validated.add(shard)
    return edit(draft, leaves, unknown_parent=unknown_parent)


def _counted(counters: Counters, old: list[Leaf], new: list[Leaf]) -> Counters:
    live, dead = counters.live, counters.dead
    if old:
        live, dead = live - (not old[0].deleted), dead - old[0].deleted
    if new:
        live, dead = live + (not new[0].deleted), dead + new[0].deleted
    return replace(counters, live=live, dead=dead)


def purge(store: Store, database: Database, requests: dict[str, list[Revision]]) -> dict[str, list[Revision]]:
    """Remove leaves; no feed has a row for it. Return the removed revisions by document id."""
    with store.lock:
        if database.dropped:
            raise no_database()
        counters = database.counters
        done: dict[str, list[Revision]] = {}
        with store.write() as connection:
            for identity, revisions in requests.items():
                done[identity], counters = _purge_one(connection, database, identity, revisions, counters)
            _save_counters(connection, database, counters)
        database.publish(counters)
    return done


def _purge_one(
    connection: sqlite3.Connection,
    database: Database,
    identity: str,
    revisions: list[Revision],
    counters: Counters,
) -> tuple[list[Revision], Counters]:
    stored = _load(connection, database, identity)
    purged = [leaf for leaf in stored.leaves if leaf.revision in revisions] if stored else []
    counters = counters.purged(stored.shard if stored else shard_of(identity), 1 if purged else 0)
    if stored is None or not purged:
        return [], counters
    left = [leaf for leaf in stored.leaves if leaf not in purged]
    counters = _counted(counters, stored.leaves, left)
    if left:
        sequence = counters.sequence[stored.shard]
        _save(connection, database, identity, sequence, replace(stored, leaves=left))
    else:
        connection.execute("DELETE FROM documents WHERE rowid = ?", (stored.row,))
        connection.execute("DELETE FROM losers WHERE db = ? AND id = ?", (database.id, identity))
    return [leaf.revision for leaf in purged], counters


def read_leaves(store: Store, database: Database, identity: str) -> list[Leaf]:
    """Return a document's leaves, the winner first; empty for one that never existed."""
    row = store.row(
        f"SELECT {LEAF_COLUMNS}, losers FROM documents WHERE db = ? AND id = ?",  # noqa: S608
        (database.id, identity),
    )
    if row is None:
        return []
    others = _read_losers(store, database, identity) if row[5] else []
    return [leaf_of(row), *others]


def _read_losers(store: Store, database: Database, identity: str) -> list[Leaf]:
    rows = store.rows(
        f"SELECT {LEAF_COLUMNS} FROM losers WHERE db = ? AND id = ?",  # noqa: S608
        (database.id, identity),
    )
    return sorted(map(leaf_of, rows), key=Leaf.rank, reverse=True)


def leaf_of(row: Row) -> Leaf:
    """Return the leaf of a row that starts with `LEAF_COLUMNS`."""
    generation, digest, deleted, ancestors, body = row[:5]
    return Leaf(Revision(generation, digest), bool(deleted), tuple(ancestors.split()), body)


def render(identity: str, leaf: Leaf, extra: bytes = b"") -> bytes:
    """Return the document as JSON. `extra` has further members, each with a comma in front."""
    deleted = b',"_deleted":true' if leaf.deleted else b""
    body = leaf.body.encode()[1:]
    comma = b"," if len(body) > 1 else b""
    head = b'{"_id":%b,"_rev":%b' % (orjson.dumps(identity), orjson.dumps(str(leaf.revision)))
    return head + deleted + extra + comma + body


def revisions(leaf: Leaf) -> bytes:
    """Return the member `_revisions` for `render`: the leaf's own revision and its ancestors, as `revs=true` asks."""
    history = {"start": leaf.revision.generation, "ids": [leaf.revision.digest, *leaf.ancestors]}
    return b',"_revisions":' + orjson.dumps(history)


def _load(connection: sqlite3.Connection, database: Database, identity: str) -> Stored | None:
    row = connection.execute(
        f"SELECT {LEAF_COLUMNS}, losers, rowid, shard FROM documents WHERE db = ? AND id = ?",  # noqa: S608
        (database.id, identity),
    ).fetchone()
    if row is None:
        return None
    others: list[Leaf] = []
    if row[5]:
        found = connection.execute(
            f"SELECT {LEAF_COLUMNS} FROM losers WHERE db = ? AND id = ?",  # noqa: S608
            (database.id, identity),
        )
        others = sorted(map(leaf_of, found), key=Leaf.rank, reverse=True)
    return Stored(row[6], row[7], [leaf_of(row), *others])


def _save(connection: sqlite3.Connection, database: Database, identity: str, sequence: int, stored: Stored) -> None:
    winner, losers = stored.leaves[0], stored.leaves[1:]
    values = (
        winner.deleted,
        sequence,
        winner.revision.generation,
        winner.revision.digest,
        " ".join(winner.ancestors),
        len(losers),
        winner.body,
    )
    if stored.row:
        connection.execute(
            "UPDATE documents SET deleted = ?, seq = ?, generation = ?, digest = ?, ancestors = ?,"
            " losers = ?, body = ? WHERE rowid = ?",
            (*values, stored.row),
        )
        connection.execute("DELETE FROM losers WHERE db = ? AND id = ?", (database.id, identity))
    else:
        connection.execute(
            "INSERT INTO documents (deleted, seq, generation, digest, ancestors, losers, body, db, id, shard)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, database.id, identity, stored.shard),
        )
    for leaf in losers:
        connection.execute(
            f"INSERT INTO losers (db, id, {LEAF_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (database.id, identity, *leaf.revision, leaf.deleted, " ".join(leaf.ancestors), leaf.body),
        )


def _save_counters(connection: sqlite3.Connection, database: Database, counters: Counters) -> None:
    connection.execute(
        "UPDATE databases SET seq_low = ?, seq_high = ?, purge_low = ?, purge_high = ?, live = ?, dead = ?"
        " WHERE id = ?",
        (*counters.sequence, *counters.purges, counters.live, counters.dead, database.id),
    )
