"""The Number Document page's own example; with -s it prints the documents at each step."""

from tests.integration.real_stores import RealStores
from tests.walkthrough import PARENT, SUB, walk


def test_number_deleted_by_a_sub_account_returns_to_its_parent(stores: RealStores) -> None:
    made, reserved, _, acquired, used, named, deleted, last = walk(stores.settings())
    assert "pvt_assigned_to" not in made
    assert (reserved["pvt_number_state"], reserved["pvt_reserve_history"]) == ("reserved", [PARENT])
    assert (acquired["pvt_number_state"], acquired["pvt_assigned_to"]) == ("in_service", SUB)
    assert acquired["pvt_reserve_history"] == [SUB, PARENT]
    assert used["pvt_used_by"] == "callflow"
    assert named["pvt_features"] == ["outbound_cnam"]
    assert (deleted["pvt_number_state"], deleted["pvt_assigned_to"]) == ("reserved", PARENT)
    assert (deleted["pvt_previously_assigned_to"], deleted["pvt_reserve_history"]) == (SUB, [PARENT])
    assert (deleted["pvt_features"], "cnam" in deleted, "pvt_used_by" in deleted) == ([], False, False)
    assert (last["pvt_number_state"], "pvt_assigned_to" in last) == ("available", False)
    assert (last["pvt_previously_assigned_to"], last["pvt_reserve_history"]) == (PARENT, [])
    assert {each["pvt_authorizing_account"] for each in (made, deleted, last)} == {"system"}
