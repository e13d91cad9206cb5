"""Documents of both generations keep their own words for features."""

from typing import Any

import pytest

from tests.unit.manager.features.planning import ADDRESS, done, newer, number, update

OTHER = ADDRESS | {"postal_code": "94109"}


def test_encoding_older_lists_dash_e911_newer_maps_e911() -> None:
    page, five = (done(update(make(), {"e911": ADDRESS})).fields for make in (number, newer))

    assert (page["pvt_features"], page["dash_e911"], "e911" in page) == (["dash_e911"], ADDRESS, False)
    assert (five["pvt_features"], five["e911"], "dash_e911" in five) == ({"e911": ADDRESS}, ADDRESS, False)


@pytest.mark.parametrize("spelling", ["e911", "dash_e911", "vitelity_e911", "telnyx_e911"])
@pytest.mark.parametrize("asked", ["e911", "dash_e911"])
def test_encoding_address_keeps_its_field_name(spelling: str, asked: str) -> None:
    for stands in (
        number(pvt_features=[spelling], **{spelling: ADDRESS}),
        newer(pvt_features={"e911": ADDRESS}, **{spelling: ADDRESS}),
    ):
        after = done(update(stands, {asked: {"postal_code": "94109"}}))
        missing = done(update(after, {asked: None}))

        assert after.features == {"e911": OTHER}
        assert after.fields[spelling] == OTHER
        assert [name for name in after.fields if name.endswith("e911")] == [spelling]
        assert missing.features == {}
        assert not [name for name in missing.fields if name.endswith("e911")]


def test_encoding_duplicate_address_is_changed_twice() -> None:
    stands = number(pvt_features=["dash_e911"], dash_e911=ADDRESS, e911=ADDRESS)

    after = done(update(stands, {"e911": OTHER})).fields

    assert (after["dash_e911"], after["e911"]) == (OTHER, OTHER)


@pytest.mark.parametrize(
    "stands",
    [
        number(pvt_features=["dash_e911", "sms"], dash_e911=ADDRESS | {"latitude": "37.78", "status": "GEOCODED"}),
        newer(pvt_features={"e911": ADDRESS | {"latitude": "37.78", "status": "GEOCODED"}, "sms": {}}, e911=ADDRESS),
    ],
)
@pytest.mark.parametrize(
    "sent", [{"e911": ADDRESS}, {"e911": ADDRESS | {"latitude": "0"}}, {"note": "x", "e911": ADDRESS}]
)
def test_plan_provisioned_settings_are_kept(stands: Any, sent: dict[str, Any]) -> None:
    plan = update(stands, sent, merge=False)

    assert not plan.work
    after = done(plan)
    assert after.features["e911"] == ADDRESS | {"latitude": "37.78", "status": "GEOCODED"}
    assert "sms" in after.features


def test_encoding_legacy_inbound_lookup_name_is_kept() -> None:
    stands = number(pvt_features=["inbound_lookup"], cnam={"inbound_lookup": True})

    plan = update(stands, {"note": "x"})

    assert not plan.work
    assert done(plan).fields["pvt_features"] == ["inbound_lookup"]


def test_update_merges_members_and_replace_does_not() -> None:
    stands = done(update(number(), {"cnam": {"display_name": "Acme", "inbound_lookup": True}, "note": "x"}))

    patched = done(update(stands, {"cnam": {"display_name": "Bcme"}}))
    replaced = done(update(stands, {"cnam": {"display_name": "Bcme"}}, merge=False))

    assert patched.features.keys() == {"outbound_cnam", "inbound_cnam"}
    assert patched.fields["note"] == "x"
    assert replaced.features == {"outbound_cnam": {"display_name": "Bcme"}}
    assert "note" not in replaced.fields
