"""Operations on numbers change their documents, on real stores."""

import time
from typing import Any

import pytest

from router.lifecycle.operations import Operation, OperationRequest
from router.numbers import documents
from router.numbers.gregorian import from_unix
from tests.integration.manager_stores import (
    CHILD,
    INVENTORY,
    MASTER,
    RESELLER,
    SHARD,
    STRANGER,
    Manager,
    family,
    stored_document,
)
from tests.integration.real_stores import NUMBER, RealStores

OTHER = "+442079460018"
NAMES = [name for name in documents.NumberDocument.__dataclass_fields__ if name != "dirty"]


def test_create_writes_what_the_kazoo_page_says(stores: RealStores, manager: Manager) -> None:
    began = from_unix(int(time.time()))
    manager.done("create", "(415) 886-7900", MASTER, assign_to=CHILD, module_name=INVENTORY)
    document = stored_document(stores)
    assert document.pop("_rev").startswith("1-")
    assert began <= document.pop("pvt_created") == document.pop("pvt_modified") <= from_unix(int(time.time()))
    assert document == {
        "_id": NUMBER,
        "pvt_type": "number",
        "pvt_db_name": "numbers%2F%2B1415",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": CHILD,
        "pvt_authorizing_account": MASTER,
        "pvt_module_name": INVENTORY,
        "pvt_module_data": {},
        "pvt_features": [],
        "pvt_reserve_history": [],
        "pvt_ported_in": False,
    }


def test_create_first_number_creates_its_databases(stores: RealStores, manager: Manager) -> None:
    stores.databases.database("_global_changes").drop()
    manager.created(NUMBER, OTHER)
    assert {"_global_changes", SHARD, "numbers/+4420"} <= set(stores.databases.names())


def test_every_operation_changes_what_it_says(stores: RealStores, manager: Manager) -> None:
    assert manager.refused("get") == "not_found"
    manager.created(assign_to=RESELLER, state="reserved")
    assert stored_document(stores)["pvt_reserve_history"] == [RESELLER]
    assert manager.done("move", auth_by=CHILD, assign_to=CHILD)["pvt_assigned_to"] == CHILD
    assert manager.done("update", auth_by=CHILD, public_fields={"cnam": {"display_name": "Acme"}})["cnam"] == {
        "display_name": "Acme"
    }
    assert stored_document(stores)["pvt_features"] == ["outbound_cnam"]
    assert manager.done("assign_to_app", auth_by=CHILD, used_by="callflow")["pvt_used_by"] == "callflow"
    assert manager.refused("release", auth_by=STRANGER) == "forbidden"
    released = manager.done("release", auth_by=CHILD)
    assert (released["pvt_number_state"], released["pvt_assigned_to"]) == ("reserved", RESELLER)
    assert released["pvt_previously_assigned_to"] == CHILD
    assert "cnam" not in released
    assert manager.done("release", auth_by=RESELLER)["pvt_number_state"] == "available"
    manager.done("reserve", auth_by=RESELLER, assign_to=RESELLER)
    assert manager.refused("delete", auth_by=RESELLER) == "forbidden"
    removed = manager.ask("delete", auth_by=MASTER)
    assert (removed.error, removed.deleted) == (None, True)
    assert manager.refused("get") == "not_found"
    # A number that is made again goes on from its deletion.
    assert manager.done("create", assign_to=CHILD)["_rev"].partition("-")[0] == "9"


def test_release_of_a_local_number_deletes_it(stores: RealStores, manager: Manager) -> None:
    manager.created(module_name="knm_local")
    outcome = manager.ask("release", auth_by=CHILD)
    assert (outcome.error, outcome.deleted) == (None, True)
    assert stores.cached() == "deleted"
    assert manager.refused("get") == "not_found"


def test_same_number_twice_is_done_in_order(stores: RealStores, manager: Manager) -> None:
    manager.created()
    outcomes = manager.manager.carry_out(
        [
            OperationRequest(Operation.RELEASE, NUMBER, CHILD),
            OperationRequest(Operation.MOVE, "14158867900", STRANGER, assign_to=STRANGER),
            OperationRequest(Operation.RELEASE, NUMBER, CHILD),
        ]
    )
    assert [outcome.error and outcome.error.error for outcome in outcomes] == [None, None, "forbidden"]
    assert stored_document(stores)["pvt_assigned_to"] == STRANGER


def test_dry_run_reports_and_changes_nothing(stores: RealStores, manager: Manager) -> None:
    manager.created(state="reserved", assign_to=RESELLER)
    before, sequence = stored_document(stores), stores.databases.database(SHARD).info().copies
    moved = manager.ask("move", auth_by=CHILD, assign_to=CHILD, dry_run=True)
    assert moved.document is not None
    assert (moved.document.state, moved.document.assigned_to, moved.document.revision) == ("in_service", CHILD, "")
    new = manager.ask("create", OTHER, assign_to=CHILD, dry_run=True)
    assert new.error is None
    assert manager.ask("delete", dry_run=True).deleted
    assert manager.refused("release", auth_by=STRANGER, dry_run=True) == "forbidden"
    assert (stored_document(stores), stores.databases.database(SHARD).info().copies) == (before, sequence)
    assert "numbers/+4420" not in stores.databases.names()


def test_untouched_fields_stay_as_written(stores: RealStores, manager: Manager) -> None:
    stores.number(pvt_state="in_service", pvt_unknown={"a": 1}, custom="kept", account=CHILD, pvt_module_name=INVENTORY)
    before = stored_document(stores)
    manager.done("assign_to_app", auth_by=CHILD, used_by="callflow")
    after = stored_document(stores)
    assert after.pop("pvt_used_by") == "callflow"
    assert after.pop("pvt_modified") > 0
    for document in (before, after):
        document.pop("_rev")
    # A document that was made by hand gets what the page demands of every one.
    assert {name: after[name] for name in before} == before


def test_operation_without_effect_writes_nothing(stores: RealStores, manager: Manager) -> None:
    manager.created()
    revision = stored_document(stores)["_rev"]
    assert manager.ask("move", auth_by=CHILD, assign_to=CHILD).unchanged
    assert manager.ask("get", auth_by=CHILD).unchanged
    assert stored_document(stores)["_rev"] == revision


def test_cluster_configuration_is_used(stores: RealStores) -> None:
    family(stores)
    stores.configure(reconcile_regex=r"^\+1415\d{7}$", released_state="released", available_module_name=INVENTORY)
    manager = Manager(stores)
    assert manager.refused("create", OTHER, assign_to=CHILD) == "not_reconcilable"
    manager.done("create", assign_to=CHILD)
    assert manager.done("release", auth_by=CHILD)["pvt_number_state"] == "released"
    overruled = Manager(stores, number_manager={"released_state": "available"})
    manager.done("create", "+14158860001", assign_to=CHILD)
    assert overruled.done("release", "+14158860001", CHILD)["pvt_number_state"] == "available"


def test_thousand_numbers_of_many_databases_at_once(stores: RealStores, manager: Manager) -> None:
    numbers = [f"+1{area}886{index:04}" for area in range(201, 221) for index in range(50)]
    manager.created(*numbers)
    outcomes = manager.manager.carry_out([OperationRequest(Operation.RELEASE, number, CHILD) for number in numbers])
    assert [outcome.number for outcome in outcomes] == numbers
    assert all(outcome.error is None and outcome.warnings == () for outcome in outcomes)
    assert {str(stores.cached(number)) for number in numbers[::97]} == {"refusal"}


def test_account_copies_follow_the_number(stores: RealStores, manager: Manager) -> None:
    manager.created(state="reserved", assign_to=RESELLER)
    manager.done("move", auth_by=CHILD, assign_to=CHILD)

    def listed(account: str) -> dict[str, Any]:
        database = f"account/{account[:2]}/{account[2:4]}/{account[4:]}"
        return dict(stores.databases.database(database).get("phone_numbers"))

    assert listed(CHILD)[NUMBER]["state"] == "in_service"
    assert listed(RESELLER)[NUMBER]["assigned_to"] == CHILD
    manager.done("release", auth_by=CHILD)
    assert NUMBER not in listed(CHILD)
    assert listed(RESELLER)[NUMBER]["state"] == "reserved"


def test_metrics_count_each_result(stores: RealStores, manager: Manager) -> None:
    manager.created()
    manager.refused("get", OTHER)
    manager.done("get")
    manager.ask("delete", dry_run=True)
    assert manager.manager.counts.all() == {
        ("create", "done", ""): 1,
        ("get", "error", "not_found"): 1,
        ("get", "unchanged", ""): 1,
        ("delete", "dry_run", ""): 1,
    }


def test_changed_configuration_is_read_again(stores: RealStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.manager.configuration.CONFIGURATION_TTL", 0.0)
    family(stores)
    manager = Manager(stores)
    manager.created()
    assert manager.done("release", auth_by=CHILD)["pvt_number_state"] == "available"
    stores.configure(released_state="released")
    manager.done("move", assign_to=CHILD)
    assert manager.done("release", auth_by=CHILD)["pvt_number_state"] == "released"


def test_create_over_soft_deleted_document_succeeds(stores: RealStores, manager: Manager) -> None:
    stores.number(pvt_deleted=True, account=STRANGER, note="old")
    assert manager.refused("get") == "not_found"
    made = manager.done("create", assign_to=CHILD, module_name=INVENTORY)
    assert (made["pvt_assigned_to"], made["_rev"].partition("-")[0]) == (CHILD, "2")
    assert "pvt_deleted" not in stored_document(stores)
    assert stores.cached() == CHILD


def test_release_without_accounts_database_returns_to_the_reserver(stores: RealStores) -> None:
    manager = Manager(stores)
    manager.done("create", assign_to=RESELLER, state="reserved", module_name=INVENTORY)
    manager.done("move", assign_to=CHILD)
    manager.done("release")
    document = stored_document(stores)
    assert (document["pvt_number_state"], document["pvt_assigned_to"]) == ("reserved", RESELLER)


def test_delete_leaves_no_conflict_behind(stores: RealStores, manager: Manager) -> None:
    fields = {"_id": NUMBER, "pvt_type": "number", "pvt_number_state": "in_service", "pvt_module_name": "knm_local"}
    owners = {"1-a": STRANGER, "1-b": RESELLER, "1-c": CHILD}
    drafts = [{**fields, "_rev": revision, "pvt_assigned_to": owner} for revision, owner in owners.items()]
    stores.create(SHARD)
    stores.databases.client.request("POST", [SHARD, "_bulk_docs"], {"docs": drafts, "new_edits": False})
    assert manager.ask("release", auth_by=CHILD).deleted
    assert stores.databases.database(SHARD).get_many([NUMBER]) == {NUMBER: None}
    assert manager.refused("get") == "not_found"
    assert stores.cached() == "deleted"


def test_answer_is_the_stored_document(stores: RealStores, manager: Manager) -> None:
    def same(operation: str, **more: Any) -> None:
        outcome = manager.ask(operation, **more)
        read = documents.read(stored_document(stores))
        assert isinstance(read, documents.NumberDocument)
        assert outcome.document is not None
        answered = {name: getattr(outcome.document, name) for name in NAMES}
        assert answered == {name: getattr(read, name) for name in NAMES}

    same("create", assign_to=RESELLER, state="reserved", module_name=INVENTORY, public_fields={"note": 1})
    same("move", auth_by=CHILD, assign_to=CHILD, public_fields={"cnam": {"display_name": "Acme"}})
    same("update", auth_by=CHILD, public_fields={"cnam": {"inbound_lookup": True}, "note": None})
    same("assign_to_app", auth_by=CHILD, used_by="trunkstore")
    same("release", auth_by=CHILD)


def test_thorough_listing_out_of_time_goes_on_from_its_page(stores: RealStores, manager: Manager) -> None:
    numbers = [f"+1{area}8860000" for area in range(201, 206)]
    manager.created(*numbers)
    stores.put("numbers/+1202", "_design/numbers", views={})
    seen: list[str] = []
    after, pages = "", 0
    while pages < 20:
        page = manager.manager.list_by_account(CHILD, CHILD, after=after, thorough=True, budget=0.0)
        seen += [document.number for document in page.numbers]
        after, pages = page.next, pages + 1
        if not after:
            break
    assert (seen, pages > len(numbers)) == (numbers, True)
