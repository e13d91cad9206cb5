"""KAZOO's behaviour and the Number Document page's, case by case."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.lifecycle.errors import NumberError
from router.lifecycle.maintenance import plan_maintenance
from router.lifecycle.operations import CarrierStep, Operation, Plan
from router.lifecycle.policy import ManagerPolicy
from router.numbers.documents import NumberDocument
from router.numbers.normaliser import Normaliser
from tests.unit.lifecycle.numbers_and_accounts import NOW, account_id, asked, decided, number

CASES = json.loads((Path(__file__).parents[2] / "cases" / "lifecycle.json").read_text())["lifecycle"]
GATED = (Operation.GET, Operation.UPDATE, Operation.ASSIGN_TO_APP)


def operations(named: str) -> Iterator[tuple[Operation, str | None]]:
    """The operations, each with its state, that a case's operation stands for."""
    if named.startswith("get/update/assign_to_app"):
        yield from ((operation, None) for operation in GATED)
    elif named.startswith("move"):
        yield Operation.MOVE, None
    else:
        name, _, state = named.partition(":")
        yield Operation(name), state or None


def document_of_case(case: dict[str, Any]) -> NumberDocument | None:
    if case["from"] == "not_found":
        return None
    given = case["conditions"]
    days = given.get("modified_older_than_days", 1000)
    owner = given.get("assigned_to")
    return number(
        pvt_number_state=case["from"],
        pvt_assigned_to=owner and account_id(owner),
        pvt_reserve_history=[account_id(letter) for letter in given.get("reserve_history", ())],
        pvt_module_name=module(case),
        pvt_created=NOW - 2000 * 86_400,
        pvt_modified=NOW - days * 86_400,
    )


def module(case: dict[str, Any]) -> str:
    return str(case["conditions"].get("module", "knm_telnyx")).removesuffix(" (default)")


def plan_of(case: dict[str, Any], operation: Operation, state: str | None) -> Plan:
    given = case["conditions"]
    receiver = given.get("assign_to")
    settings = {"released_state": given.get("released_state", "available")} | given.get("config", {})
    creates_mobile = operation is Operation.CREATE and module(case) == "knm_mdn"
    ask = asked(
        operation,
        account_id(given["auth_by"]),
        assign_to=receiver and account_id(receiver),
        state=state,
        module_name="knm_mdn" if creates_mobile else None,
        ported_in=given.get("ported_in", False),
        mdn_run=given.get("mdn_run", False),
    )
    return decided(ask, document_of_case(case), policy=ManagerPolicy(**settings))


def reported(plan: Plan) -> dict[str, Any]:
    """A plan in the cases' words."""
    after = plan.after
    message: dict[str, Any] = {
        "ok": True,
        "saved": plan.changed,
        "carrier_acquire": plan.carrier is CarrierStep.ACQUIRE,
        "carrier_disconnect": plan.carrier is CarrierStep.DISCONNECT,
        "documents_deleted": after is None,
        "state": after.state if after else "deleted",
        "assigned_to": after.assigned_to if after else None,
        "reserve_history": list(after.reserve_history) if after else [],
    }
    if after:
        message["previously_assigned_to"] = after.previously_assigned_to
    return message


def refused(error: NumberError) -> dict[str, Any]:
    return {"ok": False, "error": error.error, "code": error.code, "cause": error.cause}


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case's expectation with account ids; hooks that it doesn't mention don't run."""
    message = dict(case["expected"])
    for name in ("assigned_to", "previously_assigned_to"):
        if message.get(name):
            message[name] = account_id(message[name])
    if "reserve_history" in message:
        message["reserve_history"] = [account_id(letter) for letter in message["reserve_history"]]
    if message.get("state") == "deleted":
        message.pop("previously_assigned_to", None)  # KAZOO's memory still has it; the document is gone
    if message["ok"] and not case["operation"].startswith(("release", "delete", "crawler")):
        message.setdefault("carrier_acquire", False)
    return message


def title(case: dict[str, Any]) -> str:
    given = case["conditions"]
    return "-".join(
        str(part)
        for part in (
            case["from"],
            case["operation"].replace(" ", "_"),
            given.get("assigned_to"),
            "to",
            given.get("assign_to"),
            "by",
            given.get("auth_by"),
        )
    )


DECIDED = [case for case in CASES if case["operation"] != "crawler" and case["from"] != "any"]
CRAWLED = [case for case in CASES if case["operation"] == "crawler"]
UNRECONCILABLE = [case for case in CASES if case["from"] == "any"]


def test_every_case_is_tried() -> None:
    assert len(CASES) == len(DECIDED) + len(CRAWLED) + len(UNRECONCILABLE) == 389


@pytest.mark.parametrize("case", DECIDED, ids=title)
def test_decision(case: dict[str, Any]) -> None:
    wanted = expected(case)
    for operation, state in operations(case["operation"]):
        try:
            outcome = reported(plan_of(case, operation, state))
        except NumberError as error:
            outcome = refused(error)
        assert {name: outcome.get(name) for name in wanted} == wanted, operation


@pytest.mark.parametrize("case", CRAWLED, ids=title)
def test_plan_maintenance_recorded_case_gives_its_outcome(case: dict[str, Any]) -> None:
    document = document_of_case(case)
    assert document is not None
    plan = plan_maintenance(document, ManagerPolicy(), NOW)
    outcome = {"ok": True, "state": document.state, "saved": False} if plan is None else reported(plan)
    wanted = expected(case)
    assert {name: outcome.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("case", UNRECONCILABLE)
def test_e164_malformed_number_is_not_reconcilable(case: dict[str, Any]) -> None:
    _, reconcilable = Normaliser({}).e164(case["conditions"]["number"])
    assert case["expected"] == {"ok": False, "error": "not_reconcilable", "bare_reason": True}
    assert not reconcilable
