"""The decision, and what depends on the cluster's settings."""

from dataclasses import replace
from typing import Any

import pytest

from router.numbers import accounts, port_requests
from router.numbers.documents import NumberDocument, Skipped, read
from router.numbers.routes import Policy, Reason, Refused, Route, decide, port_request_route
from router.numbers.system_config import NumberManagerConfig
from router.v1 import inbound_pb2

NUMBER = "+14158867900"
IN_SERVICE = {"_id": NUMBER, "_rev": "1-a", "pvt_state": "in_service", "pvt_assigned_to": "R"}


def decided(policy: Policy | None = None, /, **fields: Any) -> Any:
    document = read({**IN_SERVICE, **fields})
    assert isinstance(document, NumberDocument)
    return decide(document, policy or Policy())


def test_route_has_the_answers_fields() -> None:
    answer = {field.name for field in inbound_pb2.LookupResponse.DESCRIPTOR.fields}
    assert set(Route.__dataclass_fields__) == answer - {"source", "stale"}
    assert {reason.value for reason in Reason} == set(inbound_pb2.Reason.keys()) - {"REASON_UNSPECIFIED"}


def test_route_holds_every_field_of_its_document() -> None:
    route = decided(
        pvt_state="port_in",
        pvt_module_name="knm_telnyx",
        pvt_features={
            "prepend": {"enabled": "true", "name": "Prodej č. 1"},
            "ringback": {"early": "m1", "transfer": "m2"},
            "inbound_cnam": {},
            "failover": {"sip": "sip:a@b"},
        },
        pvt_ported_in=True,
        pvt_used_by="trunkstore",
    )
    assert route == Route(
        number=NUMBER,
        account_id="R",
        state="port_in",
        revision="1-a",
        pending_port=True,
        local=False,
        force_outbound=True,
        inbound_cnam=True,
        prepend="Prodej č. 1",
        ringback_media="m1",
        transfer_media="m2",
        carrier="knm_telnyx",
        failover=("sip", "sip:a@b"),
        features=("prepend", "ringback", "inbound_cnam", "failover"),
        ported_in=True,
        used_by="trunkstore",
    )


def test_failover_prefers_the_number() -> None:
    both = {"failover": {"sip": "sip:a@b", "e164": "+14155550100"}}
    assert decided(pvt_features=both).failover == ("e164", "+14155550100")


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"pvt_deleted": True}, Reason.NUMBER_NOT_FOUND, "pvt_deleted"),
        ({"pvt_deleted": True, "pvt_assigned_to": None}, Reason.NUMBER_NOT_FOUND, "pvt_deleted"),
        ({"pvt_assigned_to": "", "pvt_state": "available"}, Reason.UNASSIGNED, "available"),
        ({"pvt_state": "aging"}, Reason.NOT_IN_SERVICE, "aging"),
        ({"pvt_state": None}, Reason.NOT_IN_SERVICE, "no state"),
        ({"pvt_state": "bogus"}, Reason.NOT_IN_SERVICE, "no state that KAZOO knows"),
        ({"pvt_assigned_to": ["R"]}, Reason.UNASSIGNED, "pvt_assigned_to is a list"),
    ],
)
def test_refusals_tell_what_to_do(fields: dict[str, Any], reason: Reason, text: str) -> None:
    refused = decided(**fields)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert refused.number == NUMBER
    assert refused.message.startswith(NUMBER)
    assert text in refused.message
    assert "\n" not in refused.message


def test_states_that_route_are_a_setting() -> None:
    assert isinstance(decided(Policy(routable_states=("in_service", "aging")), pvt_state="aging"), Route)
    assert isinstance(decided(Policy(routable_states=("aging",))), Refused)


@pytest.mark.parametrize(
    ("state", "module", "feature", "off", "expected"),
    [
        ("port_in", "knm_telnyx", None, "force_port_in_outbound", False),
        ("port_in", "knm_telnyx", None, "force_port_out_outbound", True),
        ("port_out", "knm_telnyx", True, "force_port_out_outbound", False),
        ("port_out", "knm_mdn", None, "force_port_out_outbound", True),
        ("in_service", "knm_mdn", True, "force_local_outbound", False),
        ("in_service", "knm_telnyx", "true", "force_local_outbound", True),
        ("in_service", "knm_telnyx", "yes", "force_local_outbound", False),
    ],
)
def test_force_outbound(state: str, module: str, feature: object, off: str, *, expected: bool) -> None:
    changed: dict[str, Any] = {off: False}
    policy = replace(Policy(), **changed)
    fields: dict[str, Any] = {
        "pvt_state": state,
        "pvt_module_name": module,
        "pvt_features": {"force_outbound": feature},
    }
    assert decided(policy, **fields).force_outbound is expected


def test_default_force_outbound_is_for_numbers_without_the_feature() -> None:
    policy = Policy(default_force_outbound=True)
    assert decided(policy, pvt_module_name="knm_telnyx").force_outbound is True
    assert decided(policy, pvt_module_name="knm_telnyx", pvt_features={"force_outbound": False}).force_outbound is False


def test_unreadable_force_outbound_is_off_not_unset() -> None:
    fields: dict[str, Any] = {"pvt_module_name": "knm_telnyx", "pvt_features": {"force_outbound": "yes"}}
    assert decided(Policy(default_force_outbound=True), **fields).force_outbound is False


def test_vitelity_looks_names_up_itself() -> None:
    fields: dict[str, Any] = {"pvt_module_name": "wnm_vitelity", "pvt_features": ["inbound_cnam"]}
    assert decided(**fields).inbound_cnam is False
    assert decided(Policy(use_stepswitch_cnam=True), **fields).inbound_cnam is True


def test_fingerprint_changes_with_every_value() -> None:
    plain = Policy()
    others = [Policy(routable_states=("in_service",))]
    flags = [name for name, value in Policy.__dataclass_fields__.items() if value.type is bool]
    assert len(flags) == 5
    changes: list[dict[str, Any]] = [{flag: not getattr(plain, flag)} for flag in flags]
    others += [replace(plain, **change) for change in changes]
    prints = {policy.fingerprint() for policy in [plain, *others]}
    assert len(prints) == 7
    assert all(len(one) == 12 for one in prints)


def test_fingerprint_is_stable() -> None:
    """Pinned: were it to change by itself, every cached route would be dropped on an upgrade."""
    assert Policy().fingerprint() == "9ef935677c8a"
    assert Policy(routable_states=tuple(reversed(Policy().routable_states))).fingerprint() == "9ef935677c8a"


def test_policy_of_the_clusters_settings() -> None:
    assert Policy.of(NumberManagerConfig()) == Policy()
    config = NumberManagerConfig(
        force_local_outbound=False,
        force_port_in_outbound=False,
        force_port_out_outbound=False,
        default_force_outbound=True,
        use_stepswitch_cnam=True,
    )
    assert Policy.of(config, ("in_service",)) == Policy(
        routable_states=("in_service",),
        force_local_outbound=False,
        force_port_in_outbound=False,
        force_port_out_outbound=False,
        default_force_outbound=True,
        use_stepswitch_cnam=True,
    )


def test_route_of_a_port_request() -> None:
    route = port_request_route(NUMBER, "R")
    assert (route.number, route.account_id, route.state) == (NUMBER, "R", "port_in")
    assert route.pending_port
    assert route.local
    assert route.force_outbound
    assert not route.inbound_cnam


def request(name: str = "p1", /, **fields: Any) -> port_requests.PortRequest:
    doc = {
        "_id": name,
        "_rev": "1-a",
        "pvt_type": "port_request",
        "pvt_port_state": "pending",
        "pvt_account_id": "R",
        "numbers": {NUMBER: {}, "4155550100": {}, "+": {}, "+1 415": {}},
    }
    found = port_requests.read({**doc, **fields})
    assert isinstance(found, port_requests.PortRequest)
    return found


def test_port_request() -> None:
    assert request() == port_requests.PortRequest("p1", "1-a", "R", frozenset({NUMBER, "+"}), active=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"pvt_port_state": "unconfirmed"},
        {"pvt_port_state": "completed"},
        {"pvt_port_state": ["pending"]},
        {"pvt_port_state": None},
        {"pvt_deleted": True},
    ],
)
def test_inactive_port_request(fields: dict[str, Any]) -> None:
    assert not request(**fields).active


@pytest.mark.parametrize(
    ("requests", "account"),
    [
        ([], None),
        ([request()], "R"),
        ([request(), request("p2", pvt_port_state="completed")], "R"),
        ([request(), request("p2", numbers={"+14155550100": {}})], "R"),
        ([request(), request("p2")], None),  # two: who is to say
        ([request(pvt_account_id=5)], None),
        ([request(numbers=[NUMBER])], None),
        ([request(numbers={}, ported_numbers={NUMBER: {}})], None),
    ],
)
def test_account_of_a_number_in_port_requests(requests: list[port_requests.PortRequest], account: str | None) -> None:
    assert port_requests.account_of(NUMBER, requests) == account


@pytest.mark.parametrize(
    "doc",
    [
        {"_id": "p1"},
        {"_id": "p1", "pvt_type": "port_request", "_deleted": True},
        {"_id": "_design/port_requests", "pvt_type": "port_request"},
        {"_id": 5, "pvt_type": "port_request"},
        None,
    ],
)
def test_no_port_request(doc: object) -> None:
    assert isinstance(port_requests.read(doc), Skipped)


@pytest.mark.parametrize(
    ("value", "enabled"),
    [
        (None, True),
        (True, True),
        ("true", True),
        (False, False),
        ("false", False),
        ("yes", False),
        (1, False),
    ],
)
def test_account_enabled(value: object, *, enabled: bool) -> None:
    doc = {"_id": "a" * 32, "_rev": "1-a", "pvt_enabled": value, "name": "Ačko", "realm": "a.example.com"}
    assert accounts.read(doc) == accounts.AccountDocument(
        "a" * 32, "1-a", enabled, deleted=False, name="Ačko", realm="a.example.com"
    )


def test_account_permissions_are_read_from_its_document() -> None:
    doc = {"_id": "c", "pvt_tree": ["m", "r"], "pvt_superduper_admin": "true", "pvt_wnm_allow_additions": True}
    found = accounts.read(doc)
    assert isinstance(found, accounts.AccountDocument)
    assert (found.tree, found.superduper_admin, found.allow_additions) == (("m", "r"), True, True)
    plain = accounts.read({"_id": "c", "pvt_tree": "m", "pvt_superduper_admin": 1})
    assert isinstance(plain, accounts.AccountDocument)
    assert (plain.tree, plain.superduper_admin, plain.allow_additions) == ((), False, False)


def test_account_deleted() -> None:
    found = accounts.read({"_id": "a", "pvt_type": "account", "pvt_deleted": True})
    assert isinstance(found, accounts.AccountDocument)
    assert found.deleted


@pytest.mark.parametrize(
    "doc",
    [
        {"_id": "a", "_deleted": True},
        {"_id": "a", "pvt_type": "user"},
        {"_id": "_design/accounts"},
        {"_id": "a" * 33},
        {"_id": ""},
        {},
        7,
    ],
)
def test_no_account(doc: object) -> None:
    assert isinstance(accounts.read(doc), Skipped)
