"""A written document reads as intended, in its own encoding, with all foreign fields."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.lifecycle.document_writer import (
    encode_document,
    module_data,
    new_document,
    public_fields,
    with_module_data,
    with_public,
)
from router.numbers import documents
from router.numbers.documents import NumberDocument
from tests.unit.lifecycle.document_generations import (
    ACCOUNT,
    DOCUMENTS,
    HISTORY,
    LEGACY_DOCUMENTS,
    MODULE,
    OTHERS,
    SETTINGS,
    STATE,
)
from tests.unit.lifecycle.numbers_and_accounts import NOW, NUMBER, C, R, number

MEANING = [
    field.name
    for field in fields(NumberDocument)
    if field.name not in {"revision", "modified", "dirty", "problems", "fields"}
]
SPELLINGS = (("pvt_state", "pvt_number_state"), ("pvt_module_data", "pvt_carrier_data"))
ADDED = {"pvt_type", "pvt_db_name", "pvt_modified"}


def read(doc: dict[str, Any]) -> NumberDocument:
    found = documents.read(doc)
    assert isinstance(found, NumberDocument)
    return found


def meaning(document: NumberDocument) -> dict[str, Any]:
    return {name: getattr(document, name) for name in MEANING}


def written(after: NumberDocument, before: NumberDocument | None) -> dict[str, Any]:
    """By way of JSON, as CouchDB would give it back."""
    doc: dict[str, Any] = json.loads(json.dumps(encode_document(after, before, now=NOW)))
    assert doc["pvt_modified"] == NOW
    return doc


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    given = {
        "state": STATE,
        "assigned_to": st.none() | ACCOUNT,
        "previously_assigned_to": st.none() | ACCOUNT,
        "reserve_history": HISTORY.map(tuple).filter(lambda history: all(map(str.__ne__, history, history[1:]))),
        "module_name": MODULE,
        "ported_in": st.booleans(),
        "used_by": st.none() | st.sampled_from(("callflow", "mobile")),
        "features": SETTINGS,
    }
    chosen = draw(st.sets(st.sampled_from(sorted(given))))
    return {name: draw(given[name]) for name in sorted(chosen)}


def changed(before: NumberDocument, values: dict[str, Any]) -> NumberDocument:
    """With the feature `local` where its module wants it, as decisions keep it."""
    after = replace(before, **values)
    local: dict[str, Any] = {"local": {}} if after.module_name in {"knm_local", "knm_mdn"} else {}
    others = {name: settings for name, settings in after.features.items() if name != "local"}
    return replace(after, features=others | local)


@given(DOCUMENTS)
def test_unchanged_document_is_written_as_it_was(doc: dict[str, Any]) -> None:
    before = read(doc)
    after = written(before, before)
    differing = {name for name in after.keys() | doc.keys() if after.get(name) != doc.get(name)}
    state = {"pvt_state", "pvt_number_state"} if doc.keys() >= {"pvt_state", "pvt_number_state"} else set()
    assert differing <= ADDED | state
    assert meaning(read(after)) == meaning(before)


@given(DOCUMENTS, changes())
def test_changed_field_is_read_back(doc: dict[str, Any], values: dict[str, Any]) -> None:
    before = read(doc)
    after = changed(before, values)
    found = read(written(after, before))
    assert meaning(found) == meaning(after)
    assert set(found.problems) <= set(before.problems)


@given(DOCUMENTS, changes())
def test_foreign_fields_survive_a_change(doc: dict[str, Any], values: dict[str, Any]) -> None:
    before = read(doc)
    after = written(changed(before, values), before)
    assert {name: after.get(name) for name in OTHERS & doc.keys()} == {name: doc[name] for name in OTHERS & doc.keys()}
    assert after.get("_rev") == doc.get("_rev")
    assert after["_id"] == doc["_id"]


@given(DOCUMENTS, changes())
def test_spelling_of_a_document_survives_a_change(doc: dict[str, Any], values: dict[str, Any]) -> None:
    before = read(doc)
    after = written(changed(before, values), before)
    for names in SPELLINGS:
        had = {name for name in names if doc.get(name)}
        assert {name for name in names if after.get(name)} == had or not had
        assert len({json.dumps(after[name]) for name in had if "state" in name}) <= 1  # both say the same
    if "pvt_features" in doc:
        assert type(after["pvt_features"]) is type(doc["pvt_features"])
    if read(doc).module_name == read(after).module_name:
        assert after.get("pvt_module_name") == doc.get("pvt_module_name")


@given(DOCUMENTS, changes())
def test_writing_twice_changes_nothing_more(doc: dict[str, Any], values: dict[str, Any]) -> None:
    before = read(doc)
    once = written(changed(before, values), before)
    again = read(once)
    assert written(again, again) == once


@given(LEGACY_DOCUMENTS, SETTINGS)
def test_listed_features_keep_their_settings_in_public_fields(doc: dict[str, Any], wanted: dict[str, Any]) -> None:
    before = read({**doc, "pvt_features": [], "pvt_module_name": "knm_telnyx"})
    after = written(replace(before, features=wanted), before)
    assert len(after["pvt_features"]) == len(wanted)
    assert read(after).features == wanted
    if "e911" in wanted:
        listed = next(name for name in after["pvt_features"] if name.endswith("e911"))
        assert after[listed] == wanted["e911"]


@given(st.none() | ACCOUNT, changes())
def test_new_document_has_the_pages_fields(owner: str | None, values: dict[str, Any]) -> None:
    made = new_document(NUMBER, state="available", module_name="knm_telnyx", authorizing_account=R, now=NOW)
    after = changed(replace(made, assigned_to=owner), values)
    doc = written(after, None)
    assert meaning(read(doc)) == meaning(after)
    assert doc["_id"] == NUMBER
    assert doc["pvt_type"] == "number"
    assert doc["pvt_db_name"] == "numbers%2F%2B1415"
    assert doc["pvt_number_state"] == after.state
    assert doc["pvt_module_data"] == {}
    assert isinstance(doc["pvt_features"], list)
    assert doc["pvt_reserve_history"] == list(after.reserve_history)
    assert doc["pvt_created"] == NOW
    assert doc["pvt_authorizing_account"] == R
    assert doc.keys().isdisjoint({"_rev", "pvt_state", "pvt_carrier_data"})
    assert None not in doc.values()


def test_carrier_data_is_read_and_written_by_either_name() -> None:
    for name in ("pvt_module_data", "pvt_carrier_data"):
        before = number(**{name: {"order": "1"}})
        assert module_data(before) == {"order": "1"}
        doc = written(with_module_data(before, {"order": "2"}), before)
        assert {key: value for key, value in doc.items() if key.endswith("_data")} == {name: {"order": "2"}}
    both = number(pvt_module_data={"order": "1"}, pvt_carrier_data={"order": "2"})
    assert module_data(both) == {"order": "2"}
    doc = written(with_module_data(both, {"order": "3"}), both)
    assert doc["pvt_module_data"] == doc["pvt_carrier_data"] == {"order": "3"}


def test_public_fields_are_the_owners() -> None:
    document = number(cnam={"display_name": "A"}, my="x", state="bogus", used_by="", id=NUMBER, pvt_region="US")
    assert public_fields(document) == {"cnam": {"display_name": "A"}, "my": "x"}
    after = with_public(document, {"my": "y", "pvt_assigned_to": C, "used_by": "z", "gone": None})
    assert public_fields(after) == {"my": "y"}
    assert after.fields["used_by"] == ""
    assert after.fields["pvt_region"] == "US"
    assert "pvt_assigned_to" not in after.fields


def test_older_place_of_used_by_tells_the_same() -> None:
    before = number(pvt_used_by="callflow", used_by="callflow")
    assert written(before, before)["used_by"] == "callflow"
    after = written(replace(before, used_by=None), before)
    assert (after["used_by"], after.get("pvt_used_by")) == ("", None)
    assert "used_by" not in written(replace(number(), used_by="callflow"), number())


@pytest.mark.parametrize(
    ("doc", "listed"),
    [
        ({}, ["dash_e911"]),
        ({"dash_e911": {"postal_code": "1"}}, ["dash_e911"]),
        ({"e911": {"postal_code": "1"}}, ["e911"]),
        ({"pvt_features": ["vitelity_e911"]}, ["vitelity_e911"]),
        ({"pvt_features": ["e911", "dash_e911"], "e911": {"postal_code": "1"}}, ["dash_e911"]),
    ],
)
def test_list_names_e911_as_its_public_field_is_called(doc: dict[str, Any], listed: list[str]) -> None:
    before = number(pvt_module_name="knm_telnyx", pvt_number_state="in_service", **doc)
    after = written(replace(before, features={"e911": {"postal_code": "2"}}), before)
    assert after["pvt_features"] == listed
    assert after[listed[0]] == {"postal_code": "2"}


@pytest.mark.parametrize("name", ["e911", "dash_e911", "vitelity_e911"])
def test_object_keeps_its_name_for_e911(name: str) -> None:
    before = number(pvt_module_name="knm_telnyx", pvt_features={name: {"postal_code": "1"}})
    after = written(replace(before, features={"e911": {"postal_code": "2"}}), before)
    assert after["pvt_features"] == {name: {"postal_code": "2"}}


def test_field_missing_from_a_newer_document_is_added_as_newer() -> None:
    before = number(pvt_state="in_service", pvt_module_name="knm_telnyx")
    after = with_module_data(replace(before, features={"force_outbound": True}), {"order": "1"})
    doc = written(after, before)
    assert (doc["pvt_features"], doc["pvt_carrier_data"]) == ({"force_outbound": True}, {"order": "1"})
    assert doc.keys().isdisjoint({"pvt_number_state", "pvt_module_data", "force_outbound"})


@pytest.mark.parametrize(
    ("named", "written_as"),
    [
        (None, "numbers%2F%2B1415"),
        ("numbers%2F%2B1415", "numbers%2F%2B1415"),
        ("numbers/+1415", "numbers/+1415"),  # another way to write the same
        ("numbers%2F%2B415", "numbers%2F%2B1415"),
        (5, "numbers%2F%2B1415"),
    ],
)
def test_document_names_its_database_url_encoded(named: object, written_as: str) -> None:
    before = number(**({} if named is None else {"pvt_db_name": named}))
    assert written(before, before)["pvt_db_name"] == written_as
