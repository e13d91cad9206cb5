"""An accepted write holds, is withdrawn, or is written again: a document that two change is never lost."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from router.couch.accepted import AcceptedWrites, Outcome, UnconfirmedError
from router.couch.client import Document
from router.couch.leaves import Leaf

ID, PARENT = "+14158867900", "1-0"
LOW, HIGH = "2-a", "2-b"


class Tree:
    """The leaves of one document; what the rival does happens at the given read."""

    def __init__(self, own: str, rival: str) -> None:
        self.leaves = {own: self._leaf(own), rival: self._leaf(rival)}
        self.own, self.rival = own, rival
        self.reads = 0
        self.written: list[Document] = []
        self.slept: list[float] = []
        self.at_read: dict[int, Callable[[], object]] = {}
        self.rows: list[dict[str, Any]] = []

    @staticmethod
    def _leaf(revision: str, *ancestors: str, **fields: Any) -> Leaf:
        return Leaf({"_id": ID, "_rev": revision, **fields}, frozenset({PARENT, *ancestors}))

    def delete(self, revision: str, **fields: Any) -> str:
        """Put a deletion over a leaf."""
        del self.leaves[revision]
        deletion = f"3-{revision}"
        self.leaves[deletion] = self._leaf(deletion, revision, _deleted=True, **fields)
        return deletion

    def read(self, identifiers: Sequence[str]) -> dict[str, list[Leaf]]:
        assert list(identifiers) == [ID]
        self.reads += 1
        self.at_read.get(self.reads, lambda: None)()
        return {ID: list(self.leaves.values())}

    def write(self, documents: Sequence[Document]) -> list[dict[str, Any]]:
        (document,) = documents
        self.written.append(document)
        if document.get("_deleted"):
            if document["_rev"] not in self.leaves:
                return [{"id": ID, "error": "conflict"}]
            fields = {name: value for name, value in document.items() if name.startswith("pvt_")}
            return [{"id": ID, "rev": self.delete(str(document["_rev"]), **fields)}]
        row = self.rows.pop(0) if self.rows else {"id": ID, "rev": "4-c"}
        if "error" not in row:
            self.leaves[row["rev"]] = self._leaf(row["rev"])
        return [row]

    def settle(self) -> Outcome:
        settler = AcceptedWrites(self.read, self.write, self.slept.append)
        return settler.settle({ID: {"_id": ID, "_rev": self.own, "owner": "me"}})[ID]


def test_write_without_a_rival_holds() -> None:
    tree = Tree(HIGH, LOW)
    del tree.leaves[LOW]
    assert tree.settle() == Outcome(HIGH, accepted=True)
    assert tree.written == []


def test_write_is_not_withdrawn_for_the_document_that_it_changed() -> None:
    tree = Tree(HIGH, LOW)
    tree.leaves = {PARENT: Leaf({"_id": ID, "_rev": PARENT})}
    with pytest.raises(UnconfirmedError, match="no node that answers has the change"):
        tree.settle()
    assert tree.written == [], "the one node that has the write would delete the document everywhere"


def test_write_is_not_withdrawn_for_an_older_conflict() -> None:
    tree = Tree(HIGH, LOW)
    tree.leaves = {HIGH: tree.leaves[HIGH], "1-f": Leaf({"_id": ID, "_rev": "1-f"})}
    assert tree.settle() == Outcome(HIGH, accepted=True)
    assert tree.written == [], "the number would go to the account that the older conflict names"


def test_write_that_couchdb_does_not_serve_is_withdrawn_at_once() -> None:
    tree = Tree(LOW, HIGH)
    assert tree.settle() == Outcome()
    assert tree.slept == []
    assert [document["_rev"] for document in tree.written] == [LOW]


def test_write_that_couchdb_serves_holds_when_its_rival_withdraws() -> None:
    tree = Tree(HIGH, LOW)
    tree.at_read[3] = lambda: tree.delete(LOW, pvt_withdrawn=True)
    assert tree.settle() == Outcome(HIGH, accepted=True)
    assert tree.written == []


def test_write_that_couchdb_serves_is_withdrawn_when_its_rival_stays() -> None:
    tree = Tree(HIGH, LOW)
    assert tree.settle() == Outcome()
    assert 0 < sum(tree.slept) < 1
    assert LOW in tree.leaves


def test_document_that_both_withdraw_is_written_again() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.rows = [{"id": ID, "error": "conflict"}, {"id": ID, "rev": "4-c"}]
    assert tree.settle() == Outcome("4-c")
    assert tree.written[-1] == {"_id": ID, "owner": "me"}, "CouchDB takes no revision over several deletions"


def test_document_that_was_only_accepted_again_is_settled_again() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.rows = [{"id": ID, "rev": "4-c", "accepted": True}]
    assert tree.settle() == Outcome("4-c", accepted=True)


def test_document_that_its_rivals_writer_wrote_again_is_left() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.at_read[3] = lambda: tree.leaves.update({"4-d": Leaf({"_id": ID, "_rev": "4-d"})})
    assert tree.settle() == Outcome()
    assert len(tree.written) == 1


def test_document_whose_rival_somebody_deleted_stays_deleted() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH)
    assert tree.settle() == Outcome()
    assert len(tree.written) == 1


def test_document_that_cannot_be_written_again_is_unconfirmed() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.rows = [{"id": ID, "error": "conflict"}] * 20
    with pytest.raises(UnconfirmedError, match="nothing is left"):
        tree.settle()


def test_withdrawal_that_no_node_could_carry_out_is_unconfirmed() -> None:
    tree = Tree(LOW, HIGH)
    taken: list[Leaf] = []
    read = tree.read

    def read_and_cut_off(identifiers: Sequence[str]) -> dict[str, list[Leaf]]:
        """Read, and cut the one node off that has the write."""
        leaves = read(identifiers)
        taken.extend(filter(None, [tree.leaves.pop(LOW, None)]))
        return leaves

    with pytest.raises(UnconfirmedError, match="can't be withdrawn"):
        AcceptedWrites(read_and_cut_off, tree.write, tree.slept.append).settle({ID: {"_id": ID, "_rev": LOW}})
    assert taken, "the node goes on serving it, and brings it back"


def test_write_that_another_writer_has_changed_needs_no_withdrawal() -> None:
    tree = Tree(LOW, HIGH)
    write = tree.write

    def change_and_write(documents: Sequence[Document]) -> list[dict[str, Any]]:
        tree.delete(LOW)
        return write(documents)

    assert AcceptedWrites(tree.read, change_and_write).settle({ID: {"_id": ID, "_rev": LOW}})[ID] == Outcome()


def test_document_written_again_at_a_node_that_is_cut_off_is_unconfirmed() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.at_read[4] = lambda: tree.leaves.pop("4-c")
    tree.rows = [{"id": ID, "rev": "4-c", "accepted": True}]
    with pytest.raises(UnconfirmedError, match="no node that answers has the change"):
        tree.settle()


def test_document_written_again_is_withdrawn_for_a_first_rival() -> None:
    """Its generation is higher than the rival's, which wrote over the same document as the first write."""
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)
    tree.at_read[4] = lambda: tree.leaves.update({"2-d": Leaf({"_id": ID, "_rev": "2-d"}, frozenset({PARENT}))})
    tree.rows = [{"id": ID, "rev": "4-c", "accepted": True}]
    assert tree.settle() == Outcome()
    assert tree.written[-1]["_rev"] == "4-c", "a node that was away told the other writer a plain yes"


def test_one_unconfirmed_write_of_a_batch_loses_no_other() -> None:
    """The other one was withdrawn by both of its writers, and has to be written again."""
    other = "+14158867901"
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.delete(HIGH, pvt_withdrawn=True)

    def read(identifiers: Sequence[str]) -> dict[str, list[Leaf]]:
        rivals = {each: [Leaf({"_id": each, "_rev": HIGH})] for each in identifiers if each == other}
        return (tree.read([ID]) if ID in identifiers else {}) | rivals

    def write(documents: Sequence[Document]) -> list[dict[str, Any]]:
        refused = [{"id": other, "error": "conflict"} for each in documents if each["_id"] == other]
        return tree.write([each for each in documents if each["_id"] == ID]) + refused

    written = {each: {"_id": each, "_rev": LOW} for each in (ID, other)}
    with pytest.raises(UnconfirmedError, match=f"{other[1:]} is in conflict"):
        AcceptedWrites(read, write, tree.slept.append).settle(written)
    assert not tree.leaves["4-c"].is_deleted, "the document is lost"


def test_document_is_not_written_again_at_a_node_that_lacks_the_rival() -> None:
    tree = Tree(LOW, HIGH)
    rival = tree.leaves[HIGH]
    tree.at_read[2] = lambda: tree.leaves.pop(HIGH)
    tree.at_read[4] = lambda: tree.leaves.update({HIGH: rival})
    assert tree.settle() == Outcome()
    assert len(tree.written) == 1, "written again, it would win over the rival, whose writer had a plain yes"


def test_document_whose_rival_does_not_come_back_is_written_again() -> None:
    tree = Tree(LOW, HIGH)
    tree.at_read[2] = lambda: tree.leaves.pop(HIGH)
    assert tree.settle() == Outcome("4-c"), "the document is lost"
    assert sum(tree.slept) < 5


def test_document_whose_rival_is_seen_deleted_later_stays_deleted() -> None:
    tree = Tree(LOW, HIGH)
    rival = tree.leaves[HIGH]
    tree.at_read[2] = lambda: tree.leaves.pop(HIGH)
    tree.at_read[4] = lambda: (tree.leaves.update({HIGH: rival}), tree.delete(HIGH))
    assert tree.settle() == Outcome()
    assert len(tree.written) == 1
