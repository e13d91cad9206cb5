"""Number documents of every generation, and garbage."""

import json
from pathlib import Path
from typing import Any

import pytest

from router.numbers import carriers, features, gregorian
from router.numbers.documents import NumberDocument, Skipped, read, routable_id
from router.numbers.states import ROUTABLE, State, is_known

CASES = json.loads((Path(__file__).parents[2] / "cases" / "documents.json").read_text())
NUMBER = "+14158867900"
SKIPPED = ("skip", "invalidate cache, answer not_found")


def document(**fields: object) -> NumberDocument:
    found = read({"_id": NUMBER, **fields})
    assert isinstance(found, NumberDocument)
    return found


@pytest.mark.parametrize("case", CASES["documents"], ids=lambda case: json.dumps(case["input"])[:60])
def test_case(case: dict[str, Any]) -> None:
    found = read(case["input"])
    if case["expected"] in SKIPPED:
        assert isinstance(found, Skipped)
        return
    assert isinstance(found, NumberDocument)
    if isinstance(case["expected"], str):  # KAZOO crashes; here the state stays as it is, and doesn't route
        assert found.state == "bogus"
        assert found.problems == ("pvt_state is 'bogus': no state that KAZOO knows",)
        return
    for name, expected in case["expected"].items():
        value = getattr(found, name)
        if name == "features":  # KAZOO's default carrier forces "local" in
            value = {feature: value[feature] for feature in value if feature != "local"}
        if name == "reserve_history":
            value = list(value)
        assert value == (None if expected == "now" else expected), name  # whoever saves it puts the time in


@pytest.mark.parametrize("case", CASES["gregorian"], ids=lambda case: str(case["input"]))
def test_gregorian(case: dict[str, Any]) -> None:
    assert gregorian.from_unix(case["input"]) == case["expected"]
    assert gregorian.to_unix(case["expected"]) == case["input"]


def test_pages_document_is_read_whole() -> None:
    raw = {
        "_rev": "3-abc",
        "pvt_type": "number",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": "c" * 32,
        "pvt_previously_assigned_to": "b" * 32,
        "pvt_reserve_history": ["a" * 32, "a" * 32, "b" * 32],
        "pvt_authorizing_account": "system",
        "pvt_module_name": "knm_telnyx",
        "pvt_module_data": {"opaque": 1},
        "pvt_features": ["prepend"],
        "prepend": {"enabled": True, "name": "Sales"},
        "pvt_ported_in": True,
        "pvt_used_by": "callflow",
        "pvt_created": 63877497874,
        "pvt_modified": 63877497875,
    }
    found = document(**raw)
    assert found == NumberDocument(
        number=NUMBER,
        revision="3-abc",
        state="in_service",
        assigned_to="c" * 32,
        previously_assigned_to="b" * 32,
        reserve_history=("a" * 32, "b" * 32),
        module_name="knm_telnyx",
        features={"prepend": {"enabled": True, "name": "Sales"}},
        ported_in=True,
        used_by="callflow",
        authorizing_account="system",
        created=63877497874,
        modified=63877497875,
        deleted=False,
        dirty=True,
        problems=(),
        fields={"_id": NUMBER, **raw},
    )


UP_TO_DATE = {"pvt_state": "in_service", "pvt_created": 1, "pvt_modified": 1, "pvt_features": {"local": {}}}


@pytest.mark.parametrize(
    "older",
    [
        {"pvt_state": None, "pvt_number_state": "in_service"},
        {"pvt_features": ["local"]},
        {"pvt_features": {"dash_e911": {}}},
        {"pvt_module_name": "wnm_local"},
        {"pvt_created": "undefined"},
        {"pvt_modified": None},
        {"_id": "14158867900"},
    ],
)
def test_dirty_is_what_kazoo_would_write_otherwise(older: dict[str, object]) -> None:
    assert not document(**UP_TO_DATE).dirty
    assert document(**{**UP_TO_DATE, **older}).dirty


@pytest.mark.parametrize("unset", ["", "0", "NULL", "undefined", None])
def test_unset_values(unset: object) -> None:
    found = document(pvt_assigned_to=unset, pvt_state=unset, pvt_number_state="reserved", pvt_used_by=unset)
    assert (found.assigned_to, found.state, found.used_by, found.problems) == (None, "reserved", None, ())


def test_both_states() -> None:
    found = document(pvt_state="available", pvt_number_state="in_service")
    assert found.state == "available"
    assert found.problems == ("pvt_state is 'available' and pvt_number_state 'in_service': the first counts",)
    assert document(pvt_state="available", pvt_number_state="available").problems == ()


@pytest.mark.parametrize(
    ("field", "attribute", "garbage", "reading"),
    [
        ("pvt_assigned_to", "assigned_to", 7, None),
        ("pvt_assigned_to", "assigned_to", ["a"], None),
        ("pvt_assigned_to", "assigned_to", "a" * 33, None),
        ("pvt_assigned_to", "assigned_to", "a b", None),
        ("pvt_assigned_to", "assigned_to", "a\n", None),
        ("pvt_assigned_to", "assigned_to", "é", None),
        ("pvt_previously_assigned_to", "previously_assigned_to", {}, None),
        ("pvt_authorizing_account", "authorizing_account", 1.5, None),
        ("pvt_reserve_history", "reserve_history", "a", ()),
        ("pvt_reserve_history", "reserve_history", ["a", 5, "a", "b"], ("a", "b")),
        ("pvt_state", "state", 5, None),
        ("pvt_state", "state", "x" * 65, None),
        ("pvt_ported_in", "ported_in", "yes", False),
        ("pvt_deleted", "deleted", 1, False),
        ("pvt_created", "created", -1, None),
        ("pvt_created", "created", True, None),
        ("pvt_created", "created", 1.5, None),
        ("pvt_modified", "modified", 10**40, None),
        ("pvt_used_by", "used_by", ["callflow"], None),
        ("pvt_module_name", "module_name", {"a": 1}, "knm_local"),
        ("pvt_module_name", "module_name", "x" * 1000, "knm_local"),
        ("pvt_features", "features", 5, {"local": {}}),
        ("pvt_features", "features", [5, "x" * 1000, "mms"], {"mms": {}, "local": {}}),
        ("pvt_features", "features", {"a b": {}, "mms": {}}, {"mms": {}, "local": {}}),
        ("_rev", "revision", 5, ""),
    ],
)
def test_garbage_becomes_a_problem(field: str, attribute: str, garbage: object, reading: object) -> None:
    found = document(**{field: garbage})
    assert getattr(found, attribute) == reading
    assert found.problems
    assert all(field in problem and len(problem) < 200 for problem in found.problems)


def test_unreadable_state_is_not_passed_over_for_the_older_one() -> None:
    assert document(pvt_state=["in_service"], pvt_number_state="in_service").state is None


@pytest.mark.parametrize("kind", [None, "number"])
def test_type_may_be_missing(kind: object) -> None:
    assert isinstance(read({"_id": NUMBER, "pvt_type": kind}), NumberDocument)


@pytest.mark.parametrize(
    "doc",
    [
        {"_id": NUMBER, "_deleted": True},
        {"_id": "_design/numbers", "views": {}},
        {"_id": NUMBER, "pvt_type": "account"},
        {"_id": NUMBER, "pvt_type": ["number"]},
        {"_id": "911"},
        {"_id": "+"},
        {"_id": "+1415 886"},
        {"_id": "+" + "1" * 256},
        {"_id": 14158867900},
        {"_id": None},
        {},
        None,
        [],
        "doc",
    ],
)
def test_skipped(doc: object) -> None:
    found = read(doc)
    assert isinstance(found, Skipped)
    assert found.reason


def test_tombstone_says_deleted() -> None:
    assert read({"_id": NUMBER, "_deleted": True, "_rev": "2-b"}) == Skipped("deleted")


@pytest.mark.parametrize(
    ("doc_id", "reason"),
    [
        (NUMBER, None),
        ("14158867900", "doesn't begin with '+'"),
        ("+442071234567", "belongs in numbers/+4420, not in 'numbers/+1415'"),
        ("+14", "too short"),
        ("+1415 886", "not a number"),
    ],
)
def test_reachable_by_a_lookup(doc_id: str, reason: str | None) -> None:
    result = routable_id(doc_id, "numbers/+1415")
    found = read({"_id": doc_id}, expected_database="numbers/+1415")
    if reason is None:
        assert result is None
        assert isinstance(found, NumberDocument)
    else:
        assert result is not None
        assert reason in result
        assert found == Skipped(result)


@pytest.mark.parametrize(
    ("name", "public", "settings"),
    [
        ("force_outbound", {"force_outbound": "true"}, {"force_outbound": True}),
        ("force_outbound", {}, {"force_outbound": False}),
        ("ringback", {"ringback": {"early": "m1", "x": 1}}, {"ringback": {"early": "m1"}}),
        ("failover", {"failover": "no"}, {"failover": {}}),
        ("prepend", {"prepend": {"name": "A"}}, {"prepend": {"name": "A", "enabled": False}}),
        ("outbound_cnam", {"cnam": {"display_name": "X", "y": 1}}, {"outbound_cnam": {"display_name": "X"}}),
        ("inbound_lookup", {}, {"inbound_cnam": {"inbound_lookup": True}}),
        ("vitelity_e911", {"vitelity_e911": {"a": 1}}, {"e911": {"a": 1}}),
        ("telnyx_e911", {"telnyx_e911": {"a": 1}}, {"e911": {"a": 1}}),
        ("port", {"port": {"port_id": "p"}}, {"port": {"port_id": "p"}}),
        ("custom", {}, {"custom": {}}),
    ],
)
def test_listed_features(name: str, public: dict[str, object], settings: dict[str, object]) -> None:
    assert document(pvt_module_name="knm_telnyx", pvt_features=[name], **public).features == settings


def test_keyed_features_keep_a_present_e911() -> None:
    keyed = {"e911": {"new": 1}, "dash_e911": {"old": 1}, "telnyx_e911": {"kept": 1}}
    found = document(pvt_module_name="knm_telnyx", pvt_features=keyed)
    assert found.features == {"e911": {"new": 1}, "telnyx_e911": {"kept": 1}}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (None, "knm_local"),
        ("undefined", "knm_local"),
        ("", "knm_local"),
        ("wnm_local", "knm_local"),
        ("wnm_bandwidth", "knm_bandwidth2"),
        ("knm_bandwidth", "knm_bandwidth2"),
        ("knm_mdn", "knm_mdn"),
        ("acme", "acme"),
    ],
)
def test_module_names(raw: object, name: str) -> None:
    assert carriers.module_name(raw) == name


def test_local_modules() -> None:
    assert [carriers.is_local(name) for name in ("knm_local", "knm_mdn", "knm_managed")] == [
        True,
        False,
        False,
    ]
    assert "local" in document(pvt_module_name="knm_mdn").features
    assert "local" not in document(pvt_module_name="knm_managed").features


def test_states() -> None:
    assert len(State) == 11
    assert all(map(is_known, ROUTABLE))
    assert is_known("disconnected")
    assert not is_known("bogus")


def test_unreadable_treatment_is_reported() -> None:
    keyed = {"prepend": {"enabled": "yes", "name": "A\r\nB"}, "ringback": 5, "failover": {"sip": ["x"]}}
    found = document(pvt_features=keyed, pvt_assigned_to="R", pvt_state="in_service")
    assert [problem.split(" is ")[0] for problem in found.problems] == [
        "pvt_features.ringback",
        "pvt_features.prepend.name",
        "pvt_features.prepend.enabled",
        "pvt_features.failover.sip",
    ]
    assert features.treatment(found.features) == features.Treatment("", "", "", False, None, None)


def test_listed_feature_takes_no_settings_from_a_private_field() -> None:
    found = document(pvt_features=["pvt_assigned_to", "_rev"], pvt_assigned_to="a" * 32, _rev="1-a")
    assert (found.features["pvt_assigned_to"], found.features["_rev"]) == ({}, {})
