"""The layout of copies, decided from documents that any client may have written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.account_copies import names
from router.account_copies.copy_format import changeable, deviation
from router.account_copies.layout import (
    Kind,
    NumberSnapshot,
    comparable,
    copied_fields,
    listing_accounts,
    merge_summary,
    owning_accounts,
    snapshot_of,
    summary,
)
from router.numbers.documents import NumberDocument, read

NUMBER = "+14158867900"
A, B, C = "a" * 32, "b" * 32, "c" * 32
LISTED = ("reserved", "in_service", "port_in", "port_out")

odd: st.SearchStrategy[Any] = st.sampled_from((None, True, False, 0, 7, "", "x", "undefined", "a b", [], {}, [None]))
account = st.sampled_from((A, B, C))
documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"_id": st.just(NUMBER), "_rev": st.just("1-a")},
    optional={
        "pvt_type": st.just("number") | st.just("number") | odd,
        "pvt_assigned_to": account | account | odd,
        "pvt_previously_assigned_to": account | odd,
        "pvt_reserve_history": st.lists(account, max_size=3) | st.lists(account | odd, max_size=3) | odd,
        "pvt_number_state": st.sampled_from((*LISTED, "aging", "available", "deleted")) | odd,
        "pvt_state": st.sampled_from((*LISTED, "aging", "available")) | odd,
        "pvt_deleted": st.booleans() | odd,
        "pvt_features": odd | st.just(["local", "e911"]) | st.just({"prepend": {}}),
    },
)


def _taken_away(snapshot: NumberSnapshot, *, wanted: object) -> bool:
    found = deviation(snapshot, {"state": "in_service"}, wanted)
    return any(each.kind is Kind.EXTRA for each in changeable([found] if found else [], ()))


@given(documents, account)
def test_deviation_never_removes_a_valid_entry(raw: dict[str, Any], who: str) -> None:
    """Told by the raw document, in which anything may stand: if it names the account, its entry stays."""
    snapshot = snapshot_of(NUMBER, raw)
    listed = snapshot.document is not None and who in listing_accounts(snapshot.document)
    owned = snapshot.document is not None and who in owning_accounts(snapshot.document)

    from_list = _taken_away(snapshot, wanted={} if listed else None)
    copy = _taken_away(snapshot, wanted={} if owned else None)

    if raw.get("pvt_deleted") in (True, "true"):
        return
    history = raw.get("pvt_reserve_history")
    state = raw.get("pvt_state") or raw.get("pvt_number_state")
    assigned = raw.get("pvt_assigned_to") == who
    assert not (from_list and isinstance(history, list) and who in history)
    assert not (from_list and assigned and state in LISTED)
    assert not (copy and assigned)


@given(documents)
def test_accounts_of_a_number_are_named_by_its_document(raw: dict[str, Any]) -> None:
    document = snapshot_of(NUMBER, raw).document
    if document is None:
        return

    named = {document.assigned_to, *document.reserve_history}
    assert listing_accounts(document) | owning_accounts(document) <= named
    assert set(summary(document)) <= {"state", "features", "assigned_to", "used_by", "created", "updated"}


def test_changeable_uncertain_number_without_document_is_empty() -> None:
    snapshot = NumberSnapshot(NUMBER, None, "", certain=False)

    found = deviation(snapshot, {"state": "in_service"}, None)

    assert found is not None  # an audit tells of it
    assert changeable([found], ()) == []


def _document(**fields: Any) -> NumberDocument:
    made = read({"_id": NUMBER, "pvt_number_state": "in_service", "pvt_assigned_to": A, **fields})
    assert isinstance(made, NumberDocument)
    return made


@pytest.mark.parametrize(
    ("fields", "features"),
    [
        ({"pvt_module_name": "wnm_local"}, ["local"]),
        ({"pvt_module_name": "knm_local", "pvt_features": ["local", "cnam"]}, ["local", "cnam"]),
        ({"pvt_module_name": "knm_other", "pvt_features": {"e911": {"x": 1}, "prepend": {}}}, ["e911", "prepend"]),
        ({"pvt_module_name": "knm_other", "pvt_features": ["dash_e911", 7]}, ["dash_e911"]),
        ({"pvt_module_name": "knm_other", "pvt_features": "odd"}, []),
    ],
)
def test_feature_names_are_the_documents_own(fields: dict[str, Any], features: list[str]) -> None:
    assert summary(_document(**fields))["features"] == features


def test_merge_summary_keeps_foreign_fields() -> None:
    held = {"state": "reserved", "note": "mine", "used_by": "callflow"}

    assert merge_summary(held, {"state": "in_service"}) == {"note": "mine", "state": "in_service"}
    assert merge_summary("typed by hand", {"state": "in_service"}) == {"state": "in_service"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"state": "reserved", "note": 1}, {"state": "reserved"}, True),
        ({"used_by": "", "state": "reserved"}, {"state": "reserved"}, True),
        ({"features": ["a", "b"]}, {"features": ["b", "a"]}, True),
        ({"features": ["a"]}, {"features": ["b"]}, False),
        ({"updated": 1}, {"updated": 2}, False),
        ("typed by hand", {}, False),
    ],
)
def test_comparable_ignores_fields_that_do_not_count(one: object, other: object, *, same: bool) -> None:
    assert (comparable(one) == comparable(other)) is same


def test_whole_copy_leaves_couchdbs_own_fields() -> None:
    raw = {"_id": NUMBER, "_rev": "1-a", "_attachments": {}, "_conflicts": [], "pvt_x": 1, "custom": 2}

    assert copied_fields(raw) == {"pvt_x": 1, "custom": 2}


@pytest.mark.parametrize(
    ("who", "database"),
    [
        ("0123456789abcdef0123456789abcdef", "account/01/23/456789abcdef0123456789abcdef"),
        ("abcde", "account/ab/cd/e"),
        ("abcd", None),
        ("A" * 32, None),
        ("../../_users", None),
        ("", None),
    ],
)
def test_account_database_is_named_and_inverted(who: str, database: str | None) -> None:
    assert names.account_database(who) == database
    assert database is None or len(who) < 32 or names.account_of(database) == who


@pytest.mark.parametrize("name", ["account/aa/bb", f"account/aa/bb/{'c' * 28}-202611", "accounts", "numbers/+1415"])
def test_other_databases_are_no_accounts(name: str) -> None:
    assert names.account_of(name) is None
