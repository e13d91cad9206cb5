"""KAZOO's lookup cases, against the decision alone: normalise, read, decide, ask ports and the account."""

import json
from pathlib import Path
from typing import Any

import pytest

from router.numbers import accounts, documents, port_requests
from router.numbers.normaliser import Normaliser
from router.numbers.routes import Policy, Reason, Refused, Route, decide, port_request_route
from router.numbers.system_config import read as read_config

CASES = json.loads((Path(__file__).parents[2] / "cases" / "lookup.json").read_text())["lookup"]
NORMALISER = Normaliser({})

REASONS = {
    "not_reconcilable": Reason.NOT_RECONCILABLE,
    "not_found": Reason.NUMBER_NOT_FOUND,
    "not_in_service": Reason.NOT_IN_SERVICE,
    "unassigned": Reason.UNASSIGNED,
    "account_disabled": Reason.ACCOUNT_DISABLED,
}

OTHERWISE_ON_PURPOSE = {
    # KAZOO 5 asks for a database that can't exist; here reconcilable is tested on every path.
    ("911", "not_found"): Reason.NOT_RECONCILABLE,
}


def look_up(text: str, options: dict[str, Any], *, refuse_unknown_accounts: bool) -> Route | Refused:
    number, reconcilable = NORMALISER.e164(text)
    if not reconcilable:
        return Refused(Reason.NOT_RECONCILABLE, number)
    if options["document"] is None:
        return ask_ports(number, options.get("port_request"))
    document = documents.read({"_id": number, **options["document"]})
    assert isinstance(document, documents.NumberDocument)
    config, _ = read_config({"default": options.get("config", {})})
    answer = decide(document, Policy.of(config))
    if isinstance(answer, Refused) or "account" not in options:
        return answer
    return ask_account(answer, options["account"], refuse_unknown=refuse_unknown_accounts)


def ask_ports(number: str, request: dict[str, Any] | None) -> Route | Refused:
    if request is None:
        return Refused(Reason.NUMBER_NOT_FOUND, number)
    doc = {
        "_id": "p",
        "pvt_type": "port_request",
        "pvt_port_state": request["state"],
        "numbers": {number: {}},
    }
    found = port_requests.read({**doc, "pvt_account_id": request["pvt_account_id"]})
    assert isinstance(found, port_requests.PortRequest)
    account = port_requests.account_of(number, [found])
    return port_request_route(number, account) if account else Refused(Reason.NUMBER_NOT_FOUND, number)


def ask_account(route: Route, doc: dict[str, Any] | None, *, refuse_unknown: bool) -> Route | Refused:
    if doc is None:
        enabled = not refuse_unknown
    else:
        account = accounts.read({"_id": route.account_id, **doc})
        assert isinstance(account, accounts.AccountDocument)
        enabled = account.enabled
    return route if enabled else Refused(Reason.ACCOUNT_DISABLED, route.number, route.account_id)


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["options"])[:70])
def test_case(case: dict[str, Any]) -> None:
    expected = dict(case["expected"])
    answer = look_up(case["input"] or "", case["options"], refuse_unknown_accounts=True)
    if "error" in expected:
        assert isinstance(answer, Refused)
        reason = REASONS[expected["error"]]
        assert answer.reason == OTHERWISE_ON_PURPOSE.get((case["input"], expected["error"]), reason)
        assert answer.account_id == expected.get("account_id", "")
        return
    assert isinstance(answer, Route)
    assert expected.pop("ok") is True
    for name, value in expected.items():
        assert getattr(answer, name) == ("" if value is None else value), name


def test_unknown_account_routes_unless_reported_otherwise() -> None:
    options = {"document": {"pvt_state": "in_service", "pvt_assigned_to": "R"}, "account": None}
    assert isinstance(look_up("4158867900", options, refuse_unknown_accounts=False), Route)
