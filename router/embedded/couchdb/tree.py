"""A document's revision tree, of which only the leaves are kept.

An older revision's body is removed, as after a compaction; its digest stays in its successors' ancestors.
"""

from dataclasses import dataclass, replace

import orjson

from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.revisions import Revision, digest_bytes, next_revision


@dataclass(frozen=True, slots=True)
class Leaf:
    """A current revision: its JSON body without the members that begin with _, and its ancestors' digests."""

    revision: Revision
    deleted: bool
    ancestors: tuple[str, ...]
    body: str

    def knows(self, revision: Revision) -> bool:
        """Return whether `revision` is this one or an ancestor of it."""
        back = self.revision.generation - revision.generation
        if back == 0:
            return self.revision == revision
        return 0 < back <= len(self.ancestors) and self.ancestors[back - 1] == revision.digest

    def rank(self) -> tuple[bool, int, bytes]:
        """Return the key of CouchDB's order: the highest wins."""
        return (not self.deleted, self.revision.generation, digest_bytes(self.revision.digest))

    def trimmed(self, limit: int) -> "Leaf":
        """Return the leaf with at most `limit` revisions in its history, itself included."""
        return self if len(self.ancestors) < limit else replace(self, ancestors=self.ancestors[: limit - 1])


def edit(draft: Draft, leaves: list[Leaf], *, unknown_parent: bool) -> list[Leaf] | None:
    """Return the leaves after an ordinary edit, the new one first; None for a conflict.

    Args:
        draft: the edit; its revision is the parent's.
        leaves: the document's, winner first; empty when there is none.
        unknown_parent: accept a parent that is unknown, where no document exists.
    """
    parent = _parent(draft, leaves, unknown_parent=unknown_parent)
    if parent is None and (leaves or draft.revision):
        return None
    base = parent.revision if parent else None
    revision = next_revision(base, deleted=draft.deleted, body=draft.body)
    ancestors = (parent.revision.digest, *parent.ancestors) if parent else ()
    new = Leaf(revision, draft.deleted, ancestors, orjson.dumps(draft.body).decode())
    return [new, *(leaf for leaf in leaves if leaf is not parent)]


def _parent(draft: Draft, leaves: list[Leaf], *, unknown_parent: bool) -> Leaf | None:
    if not leaves:
        known = draft.revision is not None and unknown_parent
        return Leaf(draft.revision, deleted=False, ancestors=(), body="{}") if known and draft.revision else None
    if leaves[0].deleted:
        # Only an edit without a parent restores a deleted document, and it continues from the deletion.
        return leaves[0] if draft.revision is None and not draft.deleted else None
    return next((leaf for leaf in leaves if leaf.revision == draft.revision), None)


def plant(draft: Draft, leaves: list[Leaf]) -> list[Leaf] | None:
    """Return the leaves with a replicated revision, the new one first; None when the tree has it already."""
    if draft.revision is None or any(leaf.knows(draft.revision) for leaf in leaves):
        return None
    body = orjson.dumps(draft.body).decode()
    new = Leaf(draft.revision, draft.deleted, tuple(draft.ancestors), body)
    return [new, *(leaf for leaf in leaves if not new.knows(leaf.revision))]
