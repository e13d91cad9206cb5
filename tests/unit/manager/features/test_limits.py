"""Every sub-parameter's limit: what is just inside is taken, what is just outside refused by name."""

from typing import Any

import pytest

from tests.unit.manager.features.planning import ADDRESS, NOW, done, newer, number, refused, update

TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"cnam": {"display_name": "A"}}, {"outbound_cnam": {"display_name": "A"}}),
    ({"cnam": {"display_name": "x" * 15}}, {"outbound_cnam": {"display_name": "x" * 15}}),
    ({"cnam": {"inbound_lookup": True}}, {"inbound_cnam": {"inbound_lookup": True}}),
    ({"cnam": {"inbound_lookup": "true"}}, {"inbound_cnam": {"inbound_lookup": True}}),
    ({"cnam": {"inbound_lookup": False, "display_name": ""}}, {}),
    ({"e911": ADDRESS}, {"e911": ADDRESS}),
    ({"dash_e911": ADDRESS}, {"e911": ADDRESS}),
    ({"e911": ADDRESS | {"caller_name": "Bob"}}, {"e911": ADDRESS | {"caller_name": "Bob"}}),
    ({"e911": {}}, {}),
    ({"prepend": {"enabled": True, "name": "Sales"}}, {"prepend": {"enabled": True, "name": "Sales"}}),
    ({"prepend": {"enabled": False, "name": "Sales"}}, {}),
    ({"prepend": {"name": "Sales"}}, {}),
    ({"force_outbound": True}, {"force_outbound": True}),
    ({"force_outbound": "false"}, {"force_outbound": False}),
    ({"ringback": {"early": "media1", "transfer": "media2"}}, {"ringback": {"early": "media1", "transfer": "media2"}}),
    ({"ringback": {"early": "media1"}}, {"ringback": {"early": "media1"}}),
    ({"ringback": {}}, {}),
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"cnam": {"display_name": "x" * 16}}, "cnam.display_name"),
    ({"cnam": {"display_name": "a\nb"}}, "cnam.display_name"),
    ({"cnam": {"display_name": 7}}, "cnam.display_name"),
    ({"cnam": {"inbound_lookup": "yes"}}, "cnam.inbound_lookup"),
    ({"cnam": "Acme"}, "cnam"),
    *(({"e911": {k: v for k, v in ADDRESS.items() if k != name}}, f"e911.{name} is missing") for name in ADDRESS),
    ({"e911": ADDRESS | {"region": "Cal"}}, "e911.region"),
    ({"e911": ADDRESS | {"region": "C"}}, "e911.region"),
    ({"e911": ADDRESS | {"caller_name": "Al"}}, "e911.caller_name"),
    ({"e911": ADDRESS | {"notification_contact_emails": "a@b.c"}}, "e911.notification_contact_emails"),
    ({"e911": ADDRESS | {"notification_contact_emails": [1]}}, "e911.notification_contact_emails.0"),
    ({"e911": ADDRESS, "dash_e911": ADDRESS | {"region": "NY"}}, "two spellings"),
    ({"prepend": {"enabled": 1}}, "prepend.enabled"),
    ({"prepend": {"enabled": True, "name": ["x"]}}, "prepend.name"),
    ({"force_outbound": "maybe"}, "force_outbound"),
    ({"ringback": {"early": "two words"}}, "ringback.early"),
    ({"failover": {"e164": "x"}}, "failover.e164"),
    ({"failover": {"sip": "sip:a b"}}, "failover.sip"),
    ({"failover": {"e164": "+14158867901", "sip": "sip:a@b"}}, "failover has both"),
    ({"pvt_features": ["cnam"]}, "pvt_features is no public field"),
]


@pytest.mark.parametrize("make", [number, newer])
@pytest.mark.parametrize(("public", "features"), TAKEN)
def test_limits_valid_fields_activate_features(make: Any, public: dict[str, Any], features: dict[str, Any]) -> None:
    assert done(update(make(), public)).features == features


@pytest.mark.parametrize("make", [number, newer])
@pytest.mark.parametrize(("public", "named"), REFUSED)
def test_limits_invalid_field_is_refused_by_name(make: Any, public: dict[str, Any], named: str) -> None:
    error = refused(lambda: update(make(pvt_used_by="trunkstore"), public))

    assert (error.code, error.error) == (400, "invalid")
    assert named in error.cause


@pytest.mark.parametrize("target", [{"e164": "+14158867901"}, {"sip": "sip:pbx@example.com"}])
def test_failover_accepts_a_number_or_an_address(target: dict[str, str]) -> None:
    plan = update(number(pvt_used_by="trunkstore"), {"failover": target})

    assert done(plan).features == {"failover": target}


def test_port_fields_are_kept_unchanged() -> None:
    port = {"billing_name": "Acme", "comments": [{"text": "hurry"}], "port_id": "p1"}

    assert done(update(number(pvt_number_state="port_in"), {"port": port})).features == {"port": port}
    assert refused(lambda: update(number(pvt_number_state="port_in"), {"port": {"comments": "x"}})).error == "invalid"


def test_limits_stored_invalid_field_stops_no_other_change() -> None:
    stands = number(pvt_features=["outbound_cnam"], cnam={"display_name": "x" * 40})

    plan = update(stands, {"note": "mine"})

    assert plan.after is not None
    assert plan.after.features == stands.features
    assert not plan.work
    assert "cnam.display_name" in plan.warnings[0]
    assert refused(lambda: update(stands, {"cnam": {"inbound_lookup": True}})).error == "invalid"


def test_plan_keeps_foreign_fields() -> None:
    plan = update(number(ui_metadata={"version": 4}, pvt_custom=1), {"prepend": {"enabled": True, "name": "S", "z": 1}})

    written = done(plan).fields
    assert (written["ui_metadata"], written["pvt_custom"]) == ({"version": 4}, 1)
    assert written["prepend"] == {"enabled": True, "name": "S", "z": 1}
    assert written["pvt_features"] == ["prepend"]
    assert written["pvt_modified"] == NOW
