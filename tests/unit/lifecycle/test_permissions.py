"""Permissions beyond KAZOO's cases."""

from dataclasses import replace

import pytest

from router.lifecycle.document_writer import encode_document
from router.lifecycle.operations import SYSTEM, Operation
from tests.unit.lifecycle.numbers_and_accounts import (
    ACCOUNTS,
    NOW,
    TELNYX,
    C,
    M,
    R,
    U,
    asked,
    decided,
    number,
    owned,
    refusal,
)

CHANGING = [operation for operation in Operation if operation not in {Operation.GET, Operation.CREATE}]


@pytest.mark.parametrize("operation", [*CHANGING, Operation.GET, Operation.CREATE])
def test_empty_auth_by_is_forbidden(operation: Operation) -> None:
    for document in (None, owned(), number(pvt_number_state="available")):
        error = refusal(asked(operation, "", assign_to=R, state="in_service"), document)
        assert (error.code, error.error) == (403, "forbidden")


@pytest.mark.parametrize("operation", [*CHANGING, Operation.GET])
def test_unknown_and_deleted_numbers_are_not_found(operation: Operation) -> None:
    ask = asked(operation, assign_to=R, state="aging")
    assert refusal(ask, None).error == "not_found"
    if operation is not Operation.DELETE:
        assert refusal(ask, owned(pvt_deleted=True)).error == "not_found"


def test_deleted_document_can_be_removed_and_makes_room() -> None:
    removed = owned(pvt_deleted=True, dash_e911={"postal_code": "1"}, pvt_region="US", pvt_authorizing_account=U)
    assert decided(asked(Operation.DELETE), removed).after is None
    plan = decided(asked(Operation.CREATE, R, assign_to=R), removed)
    assert plan.before is removed
    assert plan.after is not None
    doc = encode_document(plan.after, plan.before, now=NOW)
    assert doc["_rev"] == "1-a"
    assert (doc["pvt_authorizing_account"], doc["pvt_assigned_to"]) == (R, R)
    assert doc.keys().isdisjoint({"pvt_deleted", "dash_e911", "pvt_region"})


def test_deleted_administrator_is_none() -> None:
    known = ACCOUNTS | {M: replace(ACCOUNTS[M], deleted=True)}
    assert refusal(asked(Operation.DELETE, M), owned(), known=known).code == 403
    assert (
        refusal(asked(Operation.CREATE, R, assign_to=R), None, known={R: replace(ACCOUNTS[R], deleted=True)}).code
        == 403
    )


def test_port_ins_are_open_to_all_but_for_oneself() -> None:
    for given in ({"state": "port_in"}, {"ported_in": True}):
        plan = decided(asked(Operation.CREATE, C, assign_to=C, **given), None)
        assert plan.after is not None
        assert plan.after.assigned_to == C
        assert refusal(asked(Operation.CREATE, U, assign_to=C, **given), None).code == 403


@pytest.mark.parametrize(
    ("operation", "state"), [(Operation.MOVE, None), (Operation.RESERVE, None), (Operation.CREATE, "in_service")]
)
@pytest.mark.parametrize("receiver", [None, "", "short", "x" * 33, "ä" * 32])
def test_only_an_account_can_be_given_a_number(operation: Operation, state: str | None, receiver: str | None) -> None:
    error = refusal(asked(operation, assign_to=receiver, state=state), number(pvt_number_state="available", **TELNYX))
    assert (error.code, error.error, error.cause) == (400, "assign_failure", "field_undefined")


def test_state_that_needs_an_account_is_not_reached_without() -> None:
    for state in ("in_service", "reserved"):
        assert refusal(asked(Operation.CHANGE_STATE, state=state), number(pvt_number_state="available")).code == 400
    error = refusal(asked(Operation.CHANGE_STATE, state="reserved"), owned("reserved"))
    assert (error.code, error.cause) == (403, "can not assign to self")


def test_available_numbers_are_made_for_nobody() -> None:
    plan = decided(asked(Operation.CREATE, state="available"), None)
    assert plan.after is not None
    assert (plan.after.state, plan.after.assigned_to, plan.after.authorizing_account) == ("available", None, SYSTEM)
    assert refusal(asked(Operation.CREATE, R, state="available"), None).code == 403


def test_number_in_a_port_request_is_not_made() -> None:
    ask = asked(Operation.CREATE, assign_to=R)
    assert refusal(ask, None, porting=True).error == "number_is_porting"
    assert decided(replace(ask, ported_in=True), None, porting=True).after is not None
    assert decided(ask, number(pvt_number_state="available"), porting=True).after is not None


def test_mobile_numbers_are_changed_by_mobile_runs_alone() -> None:
    mobile, plain = owned(pvt_module_name="knm_mdn"), owned()
    for document, run in ((mobile, False), (plain, True)):
        for ask in (
            asked(Operation.MOVE, R, assign_to=C, mdn_run=run),
            asked(Operation.UPDATE, R, public_fields={"a": 1}, mdn_run=run),
            asked(Operation.RELEASE, R, mdn_run=run),
            asked(Operation.ASSIGN_TO_APP, R, used_by="mobile", mdn_run=run),
        ):
            assert (refusal(ask, document).code, refusal(ask, document).cause) == (403, "mdn_run")
            assert decided(replace(ask, mdn_run=not run), document).changed
            assert decided(replace(ask, auth_by=SYSTEM), document).changed
        assert not decided(asked(Operation.GET, R, mdn_run=run), document).changed
    made = decided(asked(Operation.CREATE, R, assign_to=R, module_name="knm_mdn", mdn_run=True, state="reserved"), None)
    assert made.after is not None
    assert (made.after.state, made.after.module_name, made.after.features) == ("in_service", "knm_mdn", {"local": {}})


def test_account_may_move_an_aging_number_to_itself_only() -> None:
    aging = number(pvt_number_state="aging", **TELNYX)
    assert decided(asked(Operation.MOVE, U, assign_to=U), aging).changed
    for operation in (Operation.GET, Operation.UPDATE, Operation.ASSIGN_TO_APP, Operation.RELEASE):
        assert refusal(asked(operation, U, assign_to=U, public_fields={"a": 1}, used_by="x"), aging).code == 403


@pytest.mark.parametrize("operation", [Operation.MOVE, Operation.RESERVE, Operation.RELEASE])
@pytest.mark.parametrize(
    "unreadable",
    [
        {"pvt_assigned_to": C + "c"},
        {"pvt_assigned_to": [C]},
        {"pvt_assigned_to": C, "pvt_reserve_history": R},
        {"pvt_assigned_to": C, "pvt_reserve_history": {"0": R}},
        {"pvt_assigned_to": C, "pvt_reserve_history": [R + "b"]},
    ],
)
def test_number_with_an_unreadable_assignee_can_not_be_taken(
    operation: Operation, unreadable: dict[str, object]
) -> None:
    document = number(pvt_number_state="in_service", **TELNYX, **unreadable)
    error = refusal(asked(operation, SYSTEM, assign_to=U), document)
    assert (error.error, error.cause) == ("internal_error", "malformed_document")
    assert "mend it by hand" in error.message
    for by in (U, C):
        refusal(asked(operation, by, assign_to=U), document)
    assert decided(asked(Operation.DELETE), document).after is None
    assert decided(asked(Operation.GET), document).changed is False
