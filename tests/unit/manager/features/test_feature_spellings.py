"""Documents of both generations keep their own words for features."""

from typing import Any

import pytest

from tests.unit.manager.features.asking import ADDRESS, done, newer, number, update

OTHER = ADDRESS | {"postal_code": "94109"}


def test_the_page_lists_dash_e911_and_newer_documents_map_e911() -> None:
    page, five = (done(update(make(), {"e911": ADDRESS})).fields for make in (number, newer))

    assert (page["pvt_features"], page["dash_e911"], "e911" in page) == (["dash_e911"], ADDRESS, False)
    assert (five["pvt_features"], five["e911"], "dash_e911" in five) == ({"e911": ADDRESS}, ADDRESS, False)


@pytest.mark.parametrize("spelling", ["e911", "dash_e911", "vitelity_e911", "telnyx_e911"])
@pytest.mark.parametrize("asked", ["e911", "dash_e911"])
def test_an_address_is_changed_in_whichever_spelling_it_stands(spelling: str, asked: str) -> None:
    for stands in (
        number(pvt_features=[spelling], **{spelling: ADDRESS}),
        newer(pvt_features={"e911": ADDRESS}, **{spelling: ADDRESS}),
    ):
        after = done(update(stands, {asked: {"postal_code": "94109"}}))
        deleted = done(update(after, {asked: None}))

        assert after.features == {"e911": OTHER}
        assert after.fields[spelling] == OTHER
        assert [name for name in after.fields if name.endswith("e911")] == [spelling]
        assert deleted.features == {}
        assert not [name for name in deleted.fields if name.endswith("e911")]


def test_an_address_that_stands_twice_is_changed_in_both_places() -> None:
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
def test_what_a_provider_added_is_no_change_and_stays(stands: Any, sent: dict[str, Any]) -> None:
    plan = update(stands, sent, merge=False)

    assert not plan.work
    after = done(plan)
    assert after.features["e911"] == ADDRESS | {"latitude": "37.78", "status": "GEOCODED"}
    assert "sms" in after.features


def test_a_legacy_name_for_looking_up_callers_is_kept() -> None:
    stands = number(pvt_features=["inbound_lookup"], cnam={"inbound_lookup": True})

    plan = update(stands, {"note": "x"})

    assert not plan.work
    assert done(plan).fields["pvt_features"] == ["inbound_lookup"]


def test_a_patch_meets_what_stands_member_by_member_and_a_replacement_does_not() -> None:
    stands = done(update(number(), {"cnam": {"display_name": "Acme", "inbound_lookup": True}, "note": "x"}))

    patched = done(update(stands, {"cnam": {"display_name": "Bcme"}}))
    replaced = done(update(stands, {"cnam": {"display_name": "Bcme"}}, merge=False))

    assert patched.features.keys() == {"outbound_cnam", "inbound_cnam"}
    assert patched.fields["note"] == "x"
    assert replaced.features == {"outbound_cnam": {"display_name": "Bcme"}}
    assert "note" not in replaced.fields
