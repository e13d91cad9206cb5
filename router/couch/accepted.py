"""Checks writes that CouchDB only accepted (HTTP 202): fewer copies took them than it wanted.

Two concurrent writers may each reach a copy of a cluster: one gets `ok`, the other `accepted`, and both documents are
in conflict. So an accepted write is read back. It is withdrawn where another writer's live leaf exists, since that
writer may have got `ok`. It holds where it is the only leaf: nodes were away, and may come back with another write.

A leaf of a lower generation is not from another writer: copies that lack the write still serve the document before it.
Withdrawing the write for such a leaf, at the only node that has the write, would delete the document on every node once
the nodes are connected again. A document that is written again has a higher generation than its rivals, so the
generation of the first write counts.

Both writers may have been only accepted. So the one whose leaf CouchDB serves waits a moment for the other one to
withdraw. Where both withdraw all the same, nothing would be left of the document: a writer that withdrew reads again,
and writes again where no leaf lives. Of two that do so the later one sees both withdrawals, and both write over the
same leaf, so that CouchDB tells them apart. Observed on CouchDB 3.5.0, three nodes: docs/couchdb.md.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.couch.client import Document
from router.couch.errors import CouchUnavailable
from router.couch.leaves import Leaf, winner
from router.numbers.revision import generation_of
from router.runtime.backoff import Backoff

ReadLeaves = Callable[[Sequence[str]], Mapping[str, Sequence[Leaf]]]
WriteRows = Callable[[Sequence[Document]], Sequence[Mapping[str, Any]]]

_MARK = "pvt_withdrawn"
"""Field that tells a withdrawal from an intended deletion."""
_ATTEMPTS = 8
"""To write a document again."""
_CAREFUL_ATTEMPTS = 4
"""The first ones, which write nothing where its rivals are not seen deleted."""
_PATIENCE = (0.02, 0.04, 0.08, 0.16)
"""Seconds between looks whether other writers withdraw: they take two requests for it."""
_BACKOFF = Backoff(0.02, 0.5)
"""Before a document is written again: its other writer does the same, and one of them has to be first."""


class UnconfirmedError(CouchUnavailable):
    """Too few copies took a write, and the others can't be asked: it may or may not hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an accepted write.

    Attributes:
        revision: the document's own; empty: another document is in its place, and the write was withdrawn.
        accepted: too few copies have it.
        problem: why it may or may not hold; `AcceptedWrites.settle` raises it.
    """

    revision: str = ""
    accepted: bool = False
    problem: str = ""


_WITHDRAWN = Outcome()


@dataclass(frozen=True, slots=True)
class _Orphan:
    """A document that was withdrawn, and of which no leaf lives.

    Attributes:
        document: to write again.
        rivals: revisions that it was withdrawn for.
    """

    document: Document
    rivals: frozenset[str]


class AcceptedWrites:
    """Settles writes that CouchDB only accepted.

    Args:
        read: reads the leaves of documents from as many copies as answer.
        write: writes documents; returns a row each, with "error" where it failed.
    """

    def __init__(self, read: ReadLeaves, write: WriteRows, sleep: Callable[[float], object] = time.sleep) -> None:
        self._read_leaves = read
        self._write = write
        self._sleep = sleep

    def settle(self, written: Mapping[str, Document]) -> dict[str, Outcome]:
        """Keep those that are in no conflict, and withdraw the others.

        Args:
            written: `_id` → the document as it was written, with its new revision as "_rev".

        Raises:
            UnconfirmedError: the leaves can't be read, a write can't be withdrawn, or other writers go on for too long.
        """
        outcomes: dict[str, Outcome] = {}
        generations = {each: generation_of(str(document["_rev"])) for each, document in written.items()}
        orphans = self._withdraw_conflicts(written, generations, outcomes)
        for attempt in range(_ATTEMPTS):
            if not orphans:
                break
            self._sleep(_BACKOFF.delay(attempt))
            is_careful = attempt < _CAREFUL_ATTEMPTS
            orphans, accepted = self._write_again(orphans, outcomes, is_careful=is_careful)
            orphans |= self._withdraw_conflicts(accepted, generations, outcomes)
        if orphans:
            raise UnconfirmedError(f"{next(iter(orphans))} was changed by several at once, and nothing is left of it")
        # At last, so that the others' conflicts are withdrawn, and nothing is lost of those.
        for outcome in outcomes.values():
            if outcome.problem:
                raise UnconfirmedError(outcome.problem)
        return outcomes

    def _withdraw_conflicts(
        self, written: Mapping[str, Document], generations: Mapping[str, int], outcomes: dict[str, Outcome]
    ) -> dict[str, _Orphan]:
        """Withdraw writes that are in conflict; return those where no leaf lives then."""
        revisions = {each: str(document["_rev"]) for each, document in written.items()}
        leaves = self._read_settled(revisions, generations) if written else {}
        rivals = {each: _rivals(leaves.get(each, ()), revisions[each], generations[each]) for each in written}
        for each, revision in revisions.items():
            outcomes[each] = _WITHDRAWN if rivals[each] else _held(each, leaves.get(each, ()), revision)
        # Also where the write was not among the leaves read: a copy that has it may only be slow.
        doomed = {
            each: revision
            for each, revision in revisions.items()
            if rivals[each] and not _is_deletion(leaves[each], revision)
        }
        if not doomed:
            return {}
        rows = self._delete(doomed)
        left = self._read(list(doomed))
        withdrawn = [each for each in doomed if _is_withdrawn(rows.get(each, {}), left.get(each, ()), doomed[each])]
        for each in doomed.keys() - set(withdrawn):
            outcomes[each] = Outcome(problem=f"the change of {each} is in conflict, and can't be withdrawn")
        revisions_of = {each: frozenset(rival.revision for rival in rivals[each]) for each in withdrawn}
        return {
            each: _Orphan(written[each], revisions_of[each])
            for each in withdrawn
            if _is_orphaned(left.get(each, ()), revisions_of[each])
        }

    def _read_settled(self, revisions: Mapping[str, str], generations: Mapping[str, int]) -> dict[str, Sequence[Leaf]]:
        """Read the leaves; again for a while where others may withdraw in favour of the written document."""
        leaves = dict(self._read(list(revisions)))
        for seconds in _PATIENCE:
            leading = [
                each
                for each, revision in revisions.items()
                if _is_leading(leaves.get(each, ()), revision, generations[each])
            ]
            if not leading:
                break
            self._sleep(seconds)
            leaves |= self._read(leading)
        return leaves

    def _delete(self, doomed: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        deletions = [
            {"_id": each, "_rev": revision, "_deleted": True, _MARK: True} for each, revision in doomed.items()
        ]
        return {str(row.get("id")): row for row in self._written(deletions)}

    def _write_again(
        self, orphans: Mapping[str, _Orphan], outcomes: dict[str, Outcome], *, is_careful: bool
    ) -> tuple[dict[str, _Orphan], dict[str, Document]]:
        """Write documents of which nothing is left; return those to try again, and those that were only accepted.

        A node that was cut off may lack a rival that lives, and would take a document that then wins over it.

        Args:
            is_careful: write none whose rivals are not seen deleted.
        """
        leaves = self._read(list(orphans))
        dead = [each for each in orphans if not leaves.get(each) or _is_orphaned(leaves[each], orphans[each].rivals)]
        ready = [each for each in dead if not is_careful or _are_known(leaves.get(each, ()), orphans[each].rivals)]
        # Without a revision: CouchDB refuses every revision of a document of which several leaves are deletions, and
        # writes over the winner of these by itself.
        again = [{name: value for name, value in orphans[each].document.items() if name != "_rev"} for each in ready]
        left = {each: orphans[each] for each in dead if each not in ready}
        accepted: dict[str, Document] = {}
        for row in self._written(again) if again else ():
            each = str(row.get("id"))
            if row.get("accepted") is True:
                accepted[each] = {**orphans[each].document, "_rev": row["rev"]}
            elif "error" not in row:
                outcomes[each] = Outcome(str(row["rev"]))
            else:
                left[each] = orphans[each]  # another writer was first, or copies do not know the base yet
        return left, accepted

    def _read(self, identifiers: Sequence[str]) -> Mapping[str, Sequence[Leaf]]:
        try:
            return self._read_leaves(identifiers)
        except CouchUnavailable as problem:
            raise _unconfirmed(problem) from None

    def _written(self, documents: Sequence[Document]) -> Sequence[Mapping[str, Any]]:
        try:
            return self._write(documents)
        except CouchUnavailable as problem:
            raise _unconfirmed(problem) from None


def _unconfirmed(problem: CouchUnavailable) -> UnconfirmedError:
    return UnconfirmedError(f"too few nodes took the change, and the others can't be asked ({problem})")


def _held(identifier: str, leaves: Sequence[Leaf], revision: str) -> Outcome:
    """Return the outcome of a write without rivals: it holds where a copy that was read has it."""
    if any(leaf.revision == revision or revision in leaf.ancestors for leaf in leaves):
        return Outcome(revision, accepted=True)
    return Outcome(problem=f"no node that answers has the change of {identifier}")


def _rivals(leaves: Sequence[Leaf], revision: str, generation: int) -> list[Leaf]:
    """Return other writers' live documents beside the written one, or in its place.

    Args:
        generation: the first write's, in which the others wrote at the earliest.
    """
    if any(revision in leaf.ancestors for leaf in leaves):
        return []  # the write held, and was changed since
    others = [leaf for leaf in leaves if leaf.revision != revision and not leaf.is_deleted]
    return [leaf for leaf in others if generation_of(leaf.revision) >= generation]


def _is_leading(leaves: Sequence[Leaf], revision: str, generation: int) -> bool:
    """Return whether CouchDB serves the written document, and there are others."""
    return bool(_rivals(leaves, revision, generation)) and winner(leaves).revision == revision


def _are_known(leaves: Sequence[Leaf], rivals: frozenset[str]) -> bool:
    """Return whether the copies that were read had these revisions before their leaves."""
    return rivals <= {revision for leaf in leaves for revision in leaf.ancestors}


def _is_orphaned(leaves: Sequence[Leaf], rivals: frozenset[str]) -> bool:
    """Return whether no leaf lives, and no rival was deleted by somebody who wanted that."""
    if not leaves or any(not leaf.is_deleted for leaf in leaves):
        return False
    return not any(leaf.ancestors & rivals and not leaf.document.get(_MARK) for leaf in leaves)


def _is_withdrawn(row: Mapping[str, Any], left: Sequence[Leaf], revision: str) -> bool:
    """Return whether a withdrawal left nothing of the write.

    A conflict means that another writer has changed or deleted the write, provided that the leaves read afterwards show
    it. Otherwise no node that answers has the write: those that took it were cut off, and go on serving it.
    """
    if row.get("error") == "conflict":
        return any(revision in leaf.ancestors for leaf in left)
    return "error" not in row


def _is_deletion(leaves: Sequence[Leaf], revision: str) -> bool:
    return any(leaf.revision == revision and leaf.is_deleted for leaf in leaves)
