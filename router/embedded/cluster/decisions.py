"""A coordinator's decisions from its copies' replies, as in `fabric_doc_update` and `fabric_doc_open`."""

from collections import Counter

from router.embedded.couchdb.node import WriteOutcomes
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.tree import Leaf

Outcomes = list[Revision | None]


def decide(replies: list[Outcomes], quorum: int) -> WriteOutcomes:
    """Return the outcome of each edit: done by `quorum` copies, accepted by fewer, or a conflict."""
    outcomes: Outcomes = []
    accepted: list[int] = []
    for position, answers in enumerate(zip(*replies, strict=True)):
        revision, votes = _first(answers)
        outcomes.append(revision)
        if revision is not None and votes < quorum:
            accepted.append(position)
    return WriteOutcomes(outcomes, frozenset(accepted))


def is_decided(replies: list[Outcomes], quorum: int) -> bool:
    """Return whether every edit is done already, regardless of further replies."""
    if len(replies) < quorum:
        return False
    firsts = [_first(answers) for answers in zip(*replies, strict=True)]
    return all(revision is not None and votes >= quorum for revision, votes in firsts)


def _first(answers: tuple[Revision | None, ...]) -> tuple[Revision | None, int]:
    votes = Counter(answer for answer in answers if answer is not None)
    return votes.most_common(1)[0] if votes else (None, len(answers))


def merge(copies: list[list[Leaf]]) -> list[Leaf]:
    """Return all leaves of a document's copies, without the ancestors of other leaves, the winner first."""
    found = {leaf.revision: leaf for leaves in copies for leaf in leaves}
    leaves = [
        leaf
        for leaf in found.values()
        if not any(other is not leaf and other.knows(leaf.revision) for other in found.values())
    ]
    return sorted(leaves, key=Leaf.rank, reverse=True)


def agree(copies: list[list[Leaf]]) -> bool:
    """Return whether all copies have the same winner, or none has the document."""
    winners = {leaves[0].revision if leaves else None for leaves in copies}
    return len(winners) == 1


def are_equal(copies: list[list[Leaf]]) -> bool:
    """Return whether all copies have the same leaves."""
    return len({frozenset(leaf.revision for leaf in leaves) for leaves in copies}) == 1
