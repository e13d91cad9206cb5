"""Number documents that are changed, purged, deleted, malformed or in conflict, and their answers in the cache."""

from typing import Any

import pytest

from tests.integration.conftest import StartFollower
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def test_document_purged_loses_its_entry(stores: RealStores, start_follower: StartFollower) -> None:
    revision = stores.number()
    stores.number("+14150000001", TWO)
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.databases.client.request("POST", [SHARD, "_purge"], {NUMBER: [revision]})
    eventually(lambda: stores.cached() == "")
    eventually(lambda: stores.cached("+14150000001") == TWO)


def _plant(stores: RealStores, *documents: dict[str, Any]) -> None:
    """Write revisions as a replication does."""
    stores.create(SHARD)
    stores.databases.client.request("POST", [SHARD, "_bulk_docs"], {"docs": list(documents), "new_edits": False})


def _revision(generation: int, digit: str, account: str) -> dict[str, Any]:
    return {
        "_id": NUMBER,
        "_rev": f"{generation}-{digit * 32}",
        "pvt_type": "number",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": account,
    }


def test_conflict_resolved_to_lower_generation_ends_at_winner(
    stores: RealStores, start_follower: StartFollower
) -> None:
    _plant(stores, _revision(5, "a", ONE), _revision(2, "b", TWO))
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.databases.database(SHARD).delete(NUMBER, "5-" + "a" * 32)
    eventually(lambda: stores.cached() == TWO)
    held = stores.held()
    assert held is not None
    assert held.revision == "2-" + "b" * 32


def test_conflict_resolved_while_down_ends_at_winner(stores: RealStores, start_follower: StartFollower) -> None:
    _plant(stores, _revision(5, "a", ONE), _revision(2, "b", TWO))
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    follower.stop()
    stores.databases.database(SHARD).delete(NUMBER, "5-" + "a" * 32)
    start_follower()
    eventually(lambda: stores.cached() == TWO)


def test_conflict_losing_revision_changes_nothing(stores: RealStores, start_follower: StartFollower) -> None:
    _plant(stores, _revision(5, "a", ONE))
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    _plant(stores, _revision(4, "f", TWO))
    stores.number("+14150000001", THREE)
    eventually(lambda: stores.cached("+14150000001") == THREE)
    assert stores.cached() == ONE


def test_revision_malformed_hurts_no_other_number(stores: RealStores, start_follower: StartFollower) -> None:
    odd = [{**_revision(1, "a", ONE), "_id": f"+1415000000{index}"} for index in range(4)]
    revisions = [f"{2**32}-" + "a" * 32, f"{2**62}-" + "b" * 32, "1-short", "1-" + "z" * 32]
    for document, revision in zip(odd, revisions, strict=True):
        document["_rev"] = revision
    _plant(stores, *odd)
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    assert stores.cached("+14150000002") == ONE


def test_document_deleted_and_created_again_is_served(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    stores.remove(SHARD, NUMBER)
    eventually(lambda: stores.cached() == "deleted")
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)
    held = stores.held()
    assert held is not None
    assert held.revision.startswith("3-")


def test_document_created_and_deleted_stays_deleted(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number("+14150000001")
    start_follower()
    eventually(lambda: stores.complete(SHARD))
    stores.number()
    stores.remove(SHARD, NUMBER)
    eventually(lambda: stores.cached() == "deleted")


def test_document_no_longer_a_number_loses_its_entry(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    stores.number("+14150000001")
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    stores.number(pvt_type="device")
    stores.number("+14150000001", pvt_deleted=True)
    eventually(lambda: stores.cached() == "deleted")
    eventually(lambda: stores.cached("+14150000001") == "refusal")
    stores.number()
    eventually(lambda: stores.cached() == ONE)


@pytest.mark.parametrize("name", ["numbers/managed", "numbers/inum", "numbers/+14", "numbers/+14155", "numbers"])
def test_database_that_is_no_shard_is_ignored(stores: RealStores, start_follower: StartFollower, name: str) -> None:
    stores.create(name)
    fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": TWO}
    stores.databases.database(name).put({"_id": NUMBER, **fields})
    start_follower()
    stores.number("+14150000001")
    eventually(lambda: stores.cached("+14150000001") == ONE)
    stores.databases.database(name).put({"_id": "+14150000001", **fields})
    stores.number("+14150000002")
    eventually(lambda: stores.cached("+14150000002") == ONE)
    assert stores.cached() == ""
    assert stores.cached("+14150000001") == ONE
    assert name not in stores.writer.checkpoints.databases()


def test_document_in_another_shard_is_left_out(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number("+14420000001", ONE)
    fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": TWO}
    for identifier in ("+14420000001", "14158867900", "4158867900", "+1415", "+1415 886", "reception", "_design/x"):
        stores.put(SHARD, identifier, **fields)
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD, "numbers/+1442"))
    assert stores.cached() == ONE
    assert stores.cached("+14420000001") == ONE
    assert sorted(number for batch in stores.writer.entries.scan() for _, number in batch) == sorted(
        # "+1415" is a shard's name and a number at once: somebody may ask for it.
        ["+1415", NUMBER, "+14420000001"]
    )


MALFORMED: list[dict[str, Any]] = [
    {},
    {"pvt_type": "number"},
    {"pvt_type": ["number"]},
    {"pvt_type": "number", "pvt_number_state": 5, "pvt_assigned_to": {}},
    {"pvt_type": "number", "pvt_features": {"cnam": 7, "failover": {"e164": [1]}}, "pvt_number_state": "in_service"},
    {"pvt_type": "number", "pvt_assigned_to": "é" * 20, "pvt_number_state": "in_service"},
    {"pvt_type": "number", "pvt_assigned_to": ONE, "pvt_number_state": "in_service", "cnam": "\U0001f600" * 1000},
    {"pvt_type": "number", "big": 10**15, "small": -1.5e300, "deep": [[[[[[{"a": None}]]]]]]},
]


def test_document_malformed_hurts_no_other(stores: RealStores, start_follower: StartFollower) -> None:
    for index, document in enumerate(MALFORMED):
        stores.put(SHARD, f"+1415000000{index}", **document)
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)
