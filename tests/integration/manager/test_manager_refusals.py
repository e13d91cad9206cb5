"""Numbers that the number manager refuses, each by itself."""

from typing import Any

import pytest

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from tests.integration.manager_stores import (
    CHILD,
    INVENTORY,
    SHARD,
    STRANGER,
    Manager,
    stored_document,
)
from tests.integration.real_stores import NUMBER, RealStores

OTHER = "+442079460018"


def test_create_for_unknown_account_warns(manager: Manager) -> None:
    unknown = "f" * 32
    (warning,) = manager.ask("create", assign_to=unknown, state="in_service").warnings
    assert unknown in warning
    assert manager.ask("update", public_fields={"note": "hers"}).warnings == (), "that was said when it was assigned"
    assert manager.ask("move", assign_to=CHILD).warnings == ()


def test_one_bad_number_never_fails_the_rest(stores: RealStores, manager: Manager) -> None:
    manager.created("+14158860001", "+14158860003")
    stores.put(SHARD, "+14158860005", pvt_type="device")
    asked = ["+14158860001", "911", "4158860002", "415-886-0003", "", "+14158860005", "anonymous\x00", "1234567890"]
    outcomes = manager.manager.carry_out([OperationRequest(Operation.GET, number, SYSTEM) for number in asked])
    assert [outcome.number for outcome in outcomes] == [
        "+14158860001",
        "911",
        "+14158860002",
        "+14158860003",
        "",
        "+14158860005",
        "anonymous?",
        "1234567890",
    ]
    assert [outcome.error and outcome.error.error for outcome in outcomes] == [
        None,
        "not_reconcilable",
        "not_found",
        None,
        "not_reconcilable",
        "internal_error",
        "not_reconcilable",
        "not_reconcilable",
    ]


def nested(depth: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for _ in range(depth):
        fields = {"inside": fields}
    return fields


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"note": "x" * 8_100_000}, "document_too_large"),
        (nested(300), "can't be written as JSON"),
        (nested(1200), "make them flatter"),
        ({"note": "\ud800"}, "can't be written as JSON"),
    ],
)
def test_unwritable_document_never_fails_the_rest(
    stores: RealStores, manager: Manager, fields: dict[str, Any], cause: str
) -> None:
    asked: dict[str, Any] = {"assign_to": CHILD, "module_name": INVENTORY}
    numbers = [f"+1415886790{last}" for last in range(5)]
    asks = [OperationRequest(Operation.CREATE, number, SYSTEM, **asked) for number in numbers]
    asks[3] = OperationRequest(Operation.CREATE, numbers[3], SYSTEM, public_fields=fields, **asked)
    outcomes = manager.manager.carry_out(asks)
    refused = outcomes[3].error
    assert refused is not None
    assert (refused.code, refused.error) == (400, "invalid")
    assert cause in refused.cause
    assert [outcome.error for outcome in outcomes if outcome is not outcomes[3]] == [None] * 4
    assert stores.databases.database(SHARD).get_many(numbers)[numbers[3]] is None


@pytest.mark.parametrize("odd", ["\udcff" * 3, "_design/x", "x" * 5000, "\0", "a b", "SYSTEM", "system "])
def test_odd_caller_id_fails_alone(manager: Manager, odd: str) -> None:
    asked: dict[str, Any] = {"assign_to": CHILD, "module_name": INVENTORY}
    odd_one, other = manager.manager.carry_out(
        [
            OperationRequest(Operation.CREATE, NUMBER, odd, **asked),
            OperationRequest(Operation.CREATE, OTHER, SYSTEM, **asked),
        ]
    )
    assert odd_one.error is not None
    assert odd_one.error.error == "forbidden"
    assert other.error is None


def test_unauthorised_caller_changes_nothing(stores: RealStores, manager: Manager) -> None:
    manager.created()
    before = stored_document(stores)
    for operation in ("get", "release", "update", "assign_to_app", "delete"):
        assert manager.refused(operation, auth_by=STRANGER) == "forbidden"
    for operation in ("move", "reserve"):
        assert manager.refused(operation, auth_by=STRANGER, assign_to=STRANGER) == "forbidden"
    assert stored_document(stores) == before


def test_create_number_in_active_port_request_is_refused(stores: RealStores, manager: Manager) -> None:
    stores.port("one", CHILD, NUMBER)
    assert manager.refused("create", assign_to=CHILD) == "number_is_porting"
    assert manager.done("create", assign_to=CHILD, ported_in=True)["pvt_ported_in"] is True
