"""The decision between two revisions of a document, by the leaves that the database has."""

import time
from collections.abc import Mapping

import pytest

from router.couch.errors import CouchUnavailable, ResponseLost
from router.couch.leaves import Leaf
from router.entries.codec import version_of
from router.follower import older_changes
from router.follower.older_changes import OlderChanges, Verdict, judge
from tests.support.waiting import eventually

HELD, CHANGE = "2-" + "f" * 32, "2-" + "1" * 32
ROOT, END = "1-" + "0" * 32, "3-" + "e" * 32


def leaf(revision: str, *ancestors: str, deleted: bool = False) -> Leaf:
    return Leaf({"_id": "+14158867900", "_rev": revision, "_deleted": deleted}, frozenset(ancestors))


def verdict(*leaves: Leaf, change: str = CHANGE, is_last: bool = False) -> Verdict:
    return judge(version_of(change), version_of(HELD), leaves, is_last=is_last)


def test_verdict_for_a_deleted_winner_is_replace() -> None:
    assert verdict(leaf(CHANGE, ROOT), leaf(END, HELD, ROOT, deleted=True)) is Verdict.REPLACE


def test_copy_that_is_behind_decides_nothing() -> None:
    assert verdict(leaf(HELD, ROOT)) is Verdict.UNDECIDED, "it has not heard of the change"
    assert verdict(leaf(HELD, ROOT), is_last=True) is Verdict.KEEP, "a copy that is away sends it again when it is back"
    assert verdict(leaf(CHANGE, ROOT), leaf(HELD, ROOT)) is Verdict.UNDECIDED, "it has not heard of the winner's end"
    assert verdict(leaf(CHANGE, ROOT), leaf(HELD, ROOT), is_last=True) is Verdict.KEEP


def test_ancestor_is_a_change_that_came_late() -> None:
    assert verdict(leaf(HELD, ROOT), change=ROOT) is Verdict.KEEP
    assert verdict(leaf(END, HELD, ROOT), change=ROOT) is Verdict.KEEP, "the feed brings the newer one"


def test_verdict_held_revision_unknown_to_a_copy_is_undecided() -> None:
    between = "2-" + "2" * 32
    assert verdict(leaf(between, ROOT), change=ROOT) is Verdict.UNDECIDED
    assert verdict(leaf(between, ROOT), change=ROOT, is_last=True) is Verdict.REPLACE
    assert verdict(leaf(between, ROOT), leaf(END, HELD, deleted=True), change=ROOT) is Verdict.REPLACE


def test_verdict_without_any_leaf_is_undecided_until_the_last() -> None:
    assert verdict() is Verdict.UNDECIDED
    assert verdict(is_last=True) is Verdict.REPLACE


class Looks:
    """A look that leaves changes undecided until it is told otherwise."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, bool]] = []
        self.undecided = True
        self.fails = 0
        self.problem: Exception = CouchUnavailable("away")

    def __call__(
        self, database: str, epoch: str, changes: Mapping[str, bytes], *, look: int, every_copy: bool, is_last: bool
    ) -> Mapping[str, bytes]:
        if self.fails:
            self.fails -= 1
            raise self.problem
        self.seen.append((every_copy, is_last))
        return changes if self.undecided else {}


def test_undecided_changes_are_looked_up_until_the_next_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_changes, "LOOK_DELAYS", (0.0, 0.01, 0.01))
    monkeypatch.setattr(older_changes, "QUORUM_READS", 2)
    monkeypatch.setattr(older_changes, "RETRY_DELAY", 0.01)
    look = Looks()
    look.fails = 1
    older = OlderChanges(look)
    older.start()
    changes = {"+14158867900": version_of(CHANGE)}
    older.add("numbers/+1415", "epoch", changes)
    eventually(lambda: len(look.seen) == 3)
    time.sleep(0.1)
    assert look.seen == [(False, False), (False, False), (True, False)]
    look.undecided = False
    older.recheck("numbers/+1415", "epoch", changes)
    eventually(lambda: len(look.seen) == 4)
    assert look.seen[3] == (True, True)
    older.close()


def test_look_without_a_response_counts_as_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_changes, "LOOK_DELAYS", (0.0, 0.01, 0.01))
    monkeypatch.setattr(older_changes, "QUORUM_READS", 1)
    look = Looks()
    look.fails, look.problem = 1, ResponseLost("two copies differ, and the third is frozen")
    older = OlderChanges(look)
    older.start()
    older.add("numbers/+1415", "epoch", {"+14158867900": version_of(CHANGE)})
    eventually(lambda: len(look.seen) == 2)
    assert look.seen == [(True, False), (True, False)]
    older.close()


def test_looks_without_a_response_are_repeated_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_changes, "LOOK_DELAYS", (0.0, 0.01, 0.01))
    monkeypatch.setattr(older_changes, "QUORUM_READS", 2)
    look = Looks()
    look.fails, look.problem, look.undecided = 6, ResponseLost("a node hangs"), False
    older = OlderChanges(look)
    older.start()
    older.add("numbers/+1415", "epoch", {"+14158867900": version_of(CHANGE)})
    eventually(lambda: len(look.seen) == 1)
    assert look.seen == [(True, False)], "it is not the last one"
    older.close()


def test_after_a_look_at_every_copy_hung_the_next_ask_a_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_changes, "LOOK_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(older_changes, "QUORUM_READS", 1)
    monkeypatch.setattr(older_changes, "HUNG_AFTER", -1.0)  # any look took as long
    look = Looks()
    older = OlderChanges(look)
    older.start()
    older.add("numbers/+1415", "epoch", {"+14158867900": version_of(CHANGE)})
    eventually(lambda: len(look.seen) == 3)
    assert [every_copy for every_copy, _ in look.seen] == [False, True, False]
    older.close()
