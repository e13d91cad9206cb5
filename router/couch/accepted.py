"""What became of writes that CouchDB calls accepted: fewer copies took them than it wanted (HTTP 202).

Two writers at once each find a copy on a cluster: one is told `ok`, the other `accepted`, and both documents stand in
conflict. So an accepted write is read back. Where another leaf stands beside it, it is withdrawn: the other writer may
have been told `ok`. Where it stands alone, nodes were away: it holds unless those nodes come back with another write.
Seen on CouchDB 3.5.0, three nodes: docs/couchdb.md.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.couch.client import Document
from router.couch.errors import CouchUnavailable
from router.couch.leaves import Leaf

ReadLeaves = Callable[[Sequence[str]], Mapping[str, Sequence[Leaf]]]
WriteRows = Callable[[Sequence[Document]], Sequence[Mapping[str, Any]]]


class UnconfirmedError(CouchUnavailable):
    """Too few copies took a write, and the others can't be asked: whether it stands is not known."""


def withdraw_conflicts(written: Mapping[str, str], read: ReadLeaves, write: WriteRows) -> set[str]:
    """Withdraw accepted writes that stand in conflict.

    Args:
        written: `_id` → the revision that was accepted.
        read: reads the leaves of documents, of as many copies as answer.
        write: writes documents, a row each, with "error" where it did not.

    Returns:
        Those in conflict; nothing of ours is left of them.

    Raises:
        UnconfirmedError: the leaves can't be read, or one of ours can't be withdrawn.
    """
    try:
        leaves = read(list(written))
        conflicts = {each for each, revision in written.items() if _is_in_conflict(leaves.get(each, ()), revision)}
        # Also where ours was not among those read: a copy that has it may only be slow.
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
    """Whether somebody else's document stands beside the one that was written, or in its place."""
    if any(revision in leaf.ancestors for leaf in leaves):
        return False  # it was taken, and changed since
    return any(leaf.revision != revision and not leaf.is_deleted for leaf in leaves)


def _is_withdrawn(row: Mapping[str, Any], leaves: Sequence[Leaf], revision: str) -> bool:
    """Whether nothing of ours is left, by the answer to its withdrawal.

    A conflict says that somebody else has changed or deleted ours where it was seen. Where it was not, no node that
    answers has it: those that took it were cut off since, and go on showing it.
    """
    if row.get("error") == "conflict":
        return any(leaf.revision == revision for leaf in leaves)
    return "error" not in row


def _is_deletion(leaves: Sequence[Leaf], revision: str) -> bool:
    return any(leaf.revision == revision and leaf.is_deleted for leaf in leaves)
