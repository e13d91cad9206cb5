"""Checks writes that CouchDB only accepted (HTTP 202): fewer copies took them than it wanted.

Two concurrent writers may each reach a copy of a cluster: one gets `ok`, the other `accepted`, and both documents are
in conflict. So an accepted write is read back. It is withdrawn where another live leaf exists, since that leaf's writer
may have got `ok`. It holds where it is the only leaf: nodes were away, and may only come back with another write.
Observed on CouchDB 3.5.0, three nodes: docs/couchdb.md.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.couch.client import Document
from router.couch.errors import CouchUnavailable
from router.couch.leaves import Leaf

ReadLeaves = Callable[[Sequence[str]], Mapping[str, Sequence[Leaf]]]
WriteRows = Callable[[Sequence[Document]], Sequence[Mapping[str, Any]]]


class UnconfirmedError(CouchUnavailable):
    """Too few copies took a write, and the others can't be asked: it may or may not hold."""


def withdraw_conflicts(written: Mapping[str, str], read: ReadLeaves, write: WriteRows) -> set[str]:
    """Withdraw accepted writes that are in conflict.

    Args:
        written: `_id` → the accepted revision.
        read: reads the leaves of documents from as many copies as answer.
        write: writes documents; returns a row each, with "error" where it failed.

    Returns:
        Ids of the writes in conflict; all of these are withdrawn.

    Raises:
        UnconfirmedError: the leaves can't be read, or a write can't be withdrawn.
    """
    try:
        leaves = read(list(written))
        conflicts = {each for each, revision in written.items() if _is_in_conflict(leaves.get(each, ()), revision)}
        # Also where the write was not among the leaves read: a copy that has it may only be slow.
        doomed = [
            {"_id": each, "_rev": written[each], "_deleted": True}
            for each in conflicts
            if not _is_deletion(leaves[each], written[each])
        ]
        rows = write(doomed) if doomed else ()
    except UnconfirmedError:
        raise
    except CouchUnavailable as problem:
        raise UnconfirmedError(f"too few nodes took the change, and the others can't be asked ({problem})") from None
    answers = {str(row.get("id")): row for row in rows}
    left = [each for each, row in answers.items() if not _is_withdrawn(row, leaves[each], written[each])]
    if left:
        raise UnconfirmedError(f"the change of {left[0]} is in conflict, and can't be withdrawn")
    return conflicts


def _is_in_conflict(leaves: Sequence[Leaf], revision: str) -> bool:
    """Return whether another writer's live document exists beside the written one, or in its place."""
    if any(revision in leaf.ancestors for leaf in leaves):
        return False  # the write held, and was changed since
    return any(leaf.revision != revision and not leaf.is_deleted for leaf in leaves)


def _is_withdrawn(row: Mapping[str, Any], leaves: Sequence[Leaf], revision: str) -> bool:
    """Return whether a withdrawal left nothing of the write.

    A conflict means that another writer has changed or deleted the write, provided that it was among the leaves read.
    Otherwise no node that answers has it: the nodes that took it were cut off since, and go on serving it.
    """
    if row.get("error") == "conflict":
        return any(leaf.revision == revision for leaf in leaves)
    return "error" not in row


def _is_deletion(leaves: Sequence[Leaf], revision: str) -> bool:
    return any(leaf.revision == revision and leaf.is_deleted for leaf in leaves)
