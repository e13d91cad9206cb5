"""Comparing accounts' copies with the number documents, and mending them without taking away what is valid."""

from typing import Any

import pytest

from router.account_copies import CopiesMode
from router.account_copies.comparison import CopiesComparison
from router.embedded import EmbeddedCouchDB
from tests.integration.accounts import NUMBER, OTHER, A, Accounts, B, C, number_document

SHARD = "numbers/+1415"
Found = list[tuple[str, str, str, str]]


@pytest.fixture
def accounts(couchdb: EmbeddedCouchDB) -> Accounts:
    made = Accounts(couchdb)
    made.create(SHARD)
    return made


def audit(accounts: Accounts, mode: CopiesMode, *, repair: bool = False, only: list[str] | None = None) -> Found:
    """Return the differences: account's letter, number, form, kind; with a repair, only those that are left."""
    comparison = CopiesComparison(accounts.databases, accounts.copies(mode), only, recheck_delays=(0.0, 0.0))
    for shard in only or accounts.databases.names("numbers/"):
        for page in accounts.databases.database(shard).all_documents(100):
            comparison.note(page)
    found = comparison.find()
    if repair:
        current = comparison.repair(found)
        found = [each for each in found if current[each]]
    return [(each.account[0], each.number, each.copy_format, each.kind.value) for each in found]


SINGLE, PER_NUMBER, BOTH = CopiesMode.SINGLE, CopiesMode.PER_NUMBER, CopiesMode.BOTH


def test_audit_list_without_a_number_is_repaired(accounts: Accounts) -> None:
    accounts.number(pvt_reserve_history=[B])

    assert audit(accounts, SINGLE) == [
        ("a", NUMBER, "phone_numbers", "missing"),
        ("b", NUMBER, "phone_numbers", "missing"),
    ]
    assert audit(accounts, SINGLE, repair=True) == audit(accounts, SINGLE) == []
    assert accounts.whereabouts() == "ab"


def test_all_kinds_in_both_forms(accounts: Accounts) -> None:
    accounts.number()
    accounts.number(OTHER, B)
    accounts.copies(BOTH).repair([NUMBER, OTHER])
    accounts.write_listing(A, note="mine", **{NUMBER: {"state": "reserved"}, OTHER: {"state": "in_service"}})
    accounts.put(f"account/aa/aa/{'a' * 28}", number_document(custom={"kept": False}))
    accounts.put(f"account/cc/cc/{'c' * 28}", number_document())

    assert audit(accounts, BOTH) == [
        ("a", NUMBER, "phone_numbers", "different"),
        ("a", OTHER, "phone_numbers", "extra"),
        ("a", NUMBER, "per_number", "different"),
        ("c", NUMBER, "per_number", "extra"),
    ]
    assert audit(accounts, PER_NUMBER) == [
        ("a", NUMBER, "per_number", "different"),
        ("c", NUMBER, "per_number", "extra"),
    ]
    assert audit(accounts, CopiesMode.NONE) == []
    assert audit(accounts, BOTH, repair=True) == audit(accounts, BOTH) == []
    assert (accounts.whereabouts(), accounts.whereabouts(OTHER)) == ("a", "b")
    assert (accounts.copies_in(), accounts.copies_in(OTHER)) == ("a", "b")
    assert (accounts.listing(A) or {})["note"] == "mine"


def test_only_some_databases(accounts: Accounts) -> None:
    accounts.number()
    accounts.create("numbers/+4420")
    accounts.write_listing(B, **{NUMBER: {}, "+442079460018": {}})

    assert audit(accounts, SINGLE, only=["numbers/+4420"]) == [("b", "+442079460018", "phone_numbers", "extra")]


HELD = {"state": "in_service", "assigned_to": A}
VALID: list[tuple[str, dict[str, Any] | None, bool]] = [
    ("assigned", {}, True),
    ("reserved here once, used elsewhere", {"pvt_assigned_to": B, "pvt_reserve_history": [C, A]}, True),
    ("an assignee that can't be read", {"pvt_assigned_to": {"id": A}}, True),
    ("a history that can't be read", {"pvt_assigned_to": B, "pvt_reserve_history": A}, True),
    ("a history that can partly be read", {"pvt_assigned_to": B, "pvt_reserve_history": [C, 7]}, True),
    ("a state that nobody knows", {"pvt_number_state": "in service"}, True),
    ("a state that can't be read", {"pvt_number_state": ["in_service"]}, True),
    ("no state", {"pvt_number_state": None}, True),
    ("no number document at all by its type", {"pvt_type": "memo"}, True),
    ("elsewhere", {"pvt_assigned_to": B}, False),
    ("released", {"pvt_assigned_to": None, "pvt_number_state": "available"}, False),
    ("deleted", None, False),
]


@pytest.mark.parametrize(("fields", "stays"), [case[1:] for case in VALID], ids=[case[0] for case in VALID])
def test_audit_repair_keeps_every_valid_copy(accounts: Accounts, fields: dict[str, Any] | None, stays: bool) -> None:
    accounts.number(**(fields or {}))
    if fields is None:
        accounts.delete_number()
    accounts.write_listing(A, **{NUMBER: HELD})
    accounts.put(f"account/aa/aa/{'a' * 28}", number_document())

    audit(accounts, SINGLE, repair=True)

    assert (NUMBER in accounts.listed(A)) is stays
    audit(accounts, PER_NUMBER, repair=True)
    # A whole copy is the assignee's alone, so a history that can be read gives it no claim.
    assert (accounts.copied(A) is not None) is (stays and (fields or {}).get("pvt_reserve_history") != [C, A])


def test_number_database_that_is_deleted_takes_nothing_away(accounts: Accounts) -> None:
    """Somebody may be restoring it."""
    accounts.number()
    accounts.copies(BOTH).repair([NUMBER])
    accounts.databases.database(SHARD).drop()

    assert audit(accounts, BOTH, repair=True) == [
        ("a", NUMBER, "phone_numbers", "extra"),
        ("a", NUMBER, "per_number", "extra"),
    ]

    assert (accounts.whereabouts(), accounts.copies_in()) == ("a", "a")
    assert accounts.copies(BOTH).repair([NUMBER], {NUMBER: [A, B]}) == {}
    assert (accounts.whereabouts(), accounts.copies_in()) == ("a", "a")


def test_monthly_databases_are_no_accounts(accounts: Accounts) -> None:
    monthly = f"account/aa/aa/{'a' * 28}-202611"
    accounts.put(monthly, {"_id": "phone_numbers", NUMBER: {}})

    assert audit(accounts, SINGLE, repair=True) == []
    assert NUMBER in (accounts.get(monthly, "phone_numbers") or {})
