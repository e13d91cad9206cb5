"""A write that was withdrawn is never reported as done, though a copy that is behind may still have it."""

from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Any

import pytest

from router.couch.client import Document
from router.couch.database import CouchDatabase
from router.couch.leaves import Leaf
from router.couch.responses import Latest
from tests.integration.manager_stores import CHILD, INVENTORY, RESELLER, SHARD, STRANGER, Manager, family
from tests.integration.real_stores import NUMBER, RealStores

_RIVAL_DIGEST = "f" * 32


class LostRace:
    """Has some copies take a write beside a rival's, and has reads of one copy find what it had a moment ago.

    Args:
        behind: the copy that is read has the write ("own"), only its withdrawal ("withdrawal"), or nothing ("nothing").
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, behind: str) -> None:
        self._write, self._read = CouchDatabase._bulk_docs, CouchDatabase.get_latest
        self._behind = behind
        self._own: Document | None = None
        monkeypatch.setattr(CouchDatabase, "_bulk_docs", partialmethod(_call, self._bulk_docs))
        monkeypatch.setattr(CouchDatabase, "get_latest", partialmethod(_call, self._get_latest))

    def _bulk_docs(self, database: CouchDatabase, documents: Sequence[Document]) -> list[Document]:
        rows = self._write(database, documents)
        if database.name != SHARD or self._own is not None:
            return rows
        self._own = {**documents[0], "_rev": rows[0]["rev"]}
        digests = [_RIVAL_DIGEST, *([documents[0]["_rev"].partition("-")[2]] if "_rev" in documents[0] else [])]
        rival = {**documents[0], "pvt_assigned_to": STRANGER, "_revisions": {"start": len(digests), "ids": digests}}
        rival["_rev"] = f"{len(digests)}-{_RIVAL_DIGEST}"
        database._client.request("POST", [SHARD, "_bulk_docs"], {"docs": [rival], "new_edits": False})
        return [{**rows[0], "accepted": True}]

    def _get_latest(self, database: CouchDatabase, names: Sequence[str]) -> dict[str, Latest]:
        if database.name != SHARD or self._own is None:
            return self._read(database, names)
        if self._behind == "nothing":
            return {NUMBER: Latest()}
        if self._behind == "own":
            return {NUMBER: Latest(self._own, self._own["_rev"])}
        withdrawal = next(leaf for leaf in _leaves(database) if leaf.is_deleted)
        return {NUMBER: Latest(None, withdrawal.revision)}


def _call(database: CouchDatabase, act: Callable[[CouchDatabase, Any], Any], given: Any) -> Any:
    return act(database, given)


def _leaves(database: CouchDatabase) -> list[Leaf]:
    return database.leaves([NUMBER])[NUMBER]


def _live(stores: RealStores) -> list[Leaf]:
    return [leaf for leaf in _leaves(stores.databases.database(SHARD)) if not leaf.is_deleted]


@pytest.fixture
def manager(on_cluster: RealStores) -> Manager:
    family(on_cluster)
    on_cluster.create(SHARD)
    return Manager(on_cluster, account_copies="none")


@pytest.mark.parametrize("behind", ["own", "withdrawal", "nothing"])
def test_create_that_was_withdrawn_is_refused(
    on_cluster: RealStores, manager: Manager, monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    LostRace(monkeypatch, behind)
    assert manager.refused("create", assign_to=CHILD, module_name=INVENTORY) == "number_exists"
    (leaf,) = _live(on_cluster)
    assert leaf.document["pvt_assigned_to"] == STRANGER


@pytest.mark.parametrize("behind", ["own", "withdrawal", "nothing"])
def test_move_that_was_withdrawn_is_made_again_on_the_rivals(
    on_cluster: RealStores, manager: Manager, monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    manager.created()
    LostRace(monkeypatch, behind)
    document: dict[str, Any] = manager.done("move", assign_to=RESELLER)
    (leaf,) = _live(on_cluster)
    assert (leaf.revision, leaf.document["pvt_assigned_to"]) == (document["_rev"], RESELLER)
    assert leaf.document["pvt_previously_assigned_to"] == STRANGER
