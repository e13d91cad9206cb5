"""Permissions for features: the number's own lists, the cluster's, and the rules of KAZOO's code."""

from typing import Any

import pytest

from tests.unit.manager.features.planning import (
    ACCOUNT,
    ADDRESS,
    ADMIN,
    config,
    done,
    newer,
    number,
    refused,
    update,
)

CNAM = {"cnam": {"display_name": "Acme"}}
PREPEND = {"prepend": {"enabled": True, "name": "Sales"}}


@pytest.mark.parametrize(
    ("own", "cluster", "allowed"),
    [
        ({}, {}, True),
        ({}, {"features": {"allow": ["prepend"]}}, False),
        ({}, {"features": {"allow": ["cnam"]}}, True),
        ({}, {"features": {"allow": ["outbound_cnam"]}}, True),
        ({}, {"features": {"deny": ["cnam"]}}, False),
        ({}, {"providers": ["wnm_cnam_notifier"]}, True),
        ({}, {"providers": ["wnm_prepend"]}, False),
        ({"pvt_features_allowed": ["cnam"]}, {"features": {"allow": ["prepend"]}}, True),
        ({"pvt_features_allowed": ["prepend"]}, {"features": {"allow": ["cnam"]}}, False),
        ({"pvt_features_allowed": []}, {"features": {"allow": ["cnam"]}}, True),
        ({"pvt_features_denied": ["prepend"]}, {"features": {"deny": ["cnam"]}}, True),
        ({"pvt_features_denied": ["cnam"]}, {}, False),
        ({"pvt_module_name": "knm_local"}, {}, False),
        ({"pvt_module_name": "knm_mdn"}, {}, False),
        ({"pvt_module_name": "knm_local"}, {"local_feature_override": True}, True),
        ({"pvt_module_name": "knm_local", "pvt_features_denied": ["prepend"]}, {}, True),
        ({"pvt_assigned_to": None}, {}, False),
    ],
)
def test_permissions_number_list_overrides_cluster_list(
    own: dict[str, Any], cluster: dict[str, Any], *, allowed: bool
) -> None:
    def ask() -> Any:
        return update(number(**own), CNAM, settings=config(**cluster))

    if allowed:
        assert "outbound_cnam" in done(ask()).features
    else:
        assert (refused(ask).code, refused(ask).error) == (403, "forbidden")


def test_permissions_local_number_has_call_features_only() -> None:
    assert done(update(number(pvt_module_name="knm_local"), PREPEND)).features == {
        "prepend": {"enabled": True, "name": "Sales"},
        "local": {},
    }


@pytest.mark.parametrize("used_by", [None, "callflow"])
def test_permissions_failover_requires_trunkstore(used_by: str | None) -> None:
    error = refused(lambda: update(number(pvt_used_by=used_by), {"failover": {"e164": "+14158867901"}}))

    assert error.error == "forbidden"
    assert "trunkstore" in error.message


@pytest.mark.parametrize("make", [number, newer])
def test_permissions_lost_by_a_change_remove_feature_and_fields(make: Any) -> None:
    trunk = done(update(make(pvt_used_by="trunkstore"), {"failover": {"sip": "sip:a@b"}, **PREPEND}))

    plan = update(trunk, None, used_by=None)

    assert [task.feature for task in plan.removals] == ["failover"]
    assert "failover" not in done(plan).fields
    assert "prepend" in done(plan).features
    assert "trunkstore" in plan.warnings[0]


def test_permissions_denied_active_feature_fails_update_not_move() -> None:
    denies = config(features={"deny": ["e911"]})
    stands = done(update(number(), {"e911": ADDRESS}))

    error = refused(lambda: update(stands, {"note": "mine"}, settings=denies))
    moved = update(stands, None, settings=denies, assigned_to=ADMIN)
    without = update(stands, {"e911": None}, settings=denies)

    assert error.error == "forbidden"
    assert "remove its field" in error.message
    assert "e911" in done(moved).features
    assert not moved.work
    assert [task.feature for task in without.removals] == ["e911"]


def test_permissions_stored_forbidden_fields_have_no_effect() -> None:
    stray = number(pvt_module_name="knm_local", cnam={"display_name": "Acme"})

    after = done(update(stray, {"note": "mine"}))

    assert after.features == {"local": {}}
    assert after.fields["cnam"] == {"display_name": "Acme"}


def test_carrier_name_requires_an_administrator() -> None:
    asked = {"carrier_name": "knm_managed", "note": "x"}

    assert refused(lambda: update(number(), asked, auth_by=ACCOUNT)).error == "forbidden"
    apply_carrier_name = done(update(number(), asked, auth_by=ADMIN))
    assert apply_carrier_name.module_name == "knm_managed"
    assert "carrier_name" not in apply_carrier_name.fields
    assert apply_carrier_name.fields["note"] == "x"
    assert done(update(number(), {"carrier_name": "managed"})).module_name == "knm_managed"
    assert done(update(number(), {"carrier_name": "wnm_managed"})).module_name == "knm_managed"


@pytest.mark.parametrize("name", ["knm_nobody", "x" * 31, 7, "a b"])
def test_carrier_name_unknown_carrier_is_refused(name: object) -> None:
    assert refused(lambda: update(number(), {"carrier_name": name})).cause.startswith("carrier_name is ")


def test_carrier_name_mobile_number_requires_the_system() -> None:
    assert refused(lambda: update(number(), {"carrier_name": "knm_mdn"}, auth_by=ADMIN)).error == "forbidden"
    assert done(update(number(), {"carrier_name": "knm_mdn"})).module_name == "knm_mdn"


@pytest.mark.parametrize("make", [number, newer])
def test_carrier_name_local_removes_external_features(make: Any) -> None:
    stands = done(update(make(), {**CNAM, **PREPEND, "e911": ADDRESS}))

    plan = update(stands, {"carrier_name": "knm_local"})

    assert {task.feature for task in plan.removals} == {"outbound_cnam", "e911"}
    after = done(plan)
    assert after.features.keys() == {"prepend", "local"}
    assert not after.fields.keys() & {"cnam", "e911", "dash_e911"}


def test_provider_not_installed_refuses_its_features() -> None:
    elsewhere = config(e911_provider="knm_telnyx_e911")
    stands = number(pvt_features=["dash_e911"], dash_e911=ADDRESS)

    plan = update(stands, {"e911": None}, settings=elsewhere)
    error = refused(lambda: done(plan))

    assert error.error == "unspecified_fault"
    assert "e911_provider is knm_telnyx_e911: no package that is installed provides it" in error.cause
    assert not update(stands, {"note": "x"}, settings=elsewhere).work
