"""Copies of numbers in the accounts' own databases, written over real sockets."""

import time
from typing import Any

import orjson
import pytest

from router.account_copies import AccountCopies, CopiesMode, CopyChange
from router.embedded import EmbeddedCouchDB
from router.numbers.documents import NumberDocument, read
from router.numbers.gregorian import from_unix
from tests.integration.accounts import CREATED, MODIFIED, NUMBER, OTHER, A, Accounts, B, C, D, number_document

SUMMARY = {
    "state": "in_service",
    "features": ["outbound_cnam", "dash_e911"],
    "assigned_to": A,
    "used_by": "",
    "created": CREATED,
    "updated": MODIFIED,
}
UNASSIGNED = None


@pytest.fixture
def accounts(couchdb: EmbeddedCouchDB) -> Accounts:
    return Accounts(couchdb)


def change(before: dict[str, Any] | None, after: dict[str, Any] | None, number: str = NUMBER) -> CopyChange:
    return CopyChange(number, _read(before), _read(after))


def _read(document: dict[str, Any] | None) -> NumberDocument | None:
    made = None if document is None else read(document)
    assert made is None or isinstance(made, NumberDocument)
    return made


def carry_out(
    accounts: Accounts, copies: AccountCopies, before: dict[str, Any] | None, after: dict[str, Any]
) -> dict[str, str]:
    """Write the number document and then its copies, as the number manager does."""
    accounts.put("numbers/+1415", after)
    return copies.update([change(before, after)])


def test_new_list_is_as_kazoo_makes_it(accounts: Accounts) -> None:
    began = from_unix(int(time.time()))

    assert carry_out(accounts, accounts.copies(), None, number_document()) == {}

    held = accounts.listing(A)
    assert held is not None
    assert held.pop("_rev").startswith("1-")
    assert began <= held.pop("pvt_created") == held.pop("pvt_modified") <= from_unix(int(time.time()))
    assert held == {
        "_id": "phone_numbers",
        "pvt_type": "phone_numbers",
        "pvt_vsn": "1",
        "pvt_account_db": f"account%2Faa%2Faa%2F{'a' * 28}",
        "pvt_account_id": A,
        NUMBER: SUMMARY,
    }


LISTS = [
    ("in service", {}, "a"),
    ("reserved", {"pvt_number_state": "reserved"}, "a"),
    ("port_in", {"pvt_number_state": "port_in"}, "a"),
    ("port_out", {"pvt_number_state": "port_out"}, "a"),
    ("a newer spelling", {"pvt_number_state": None, "pvt_state": "in_service"}, "a"),
    ("another state", {"pvt_number_state": "aging"}, ""),
    ("another state, with a history", {"pvt_number_state": "aging", "pvt_reserve_history": [C]}, "c"),
    ("the history sees what the assignee uses", {"pvt_reserve_history": [B, C]}, "abc"),
    ("it was somebody's", {"pvt_previously_assigned_to": B}, "a"),
    ("it was somebody's who reserved it", {"pvt_previously_assigned_to": B, "pvt_reserve_history": [B]}, "ab"),
    ("nobody's", {"pvt_assigned_to": None, "pvt_number_state": "available"}, ""),
    ("marked deleted", {"pvt_deleted": True}, ""),
    ("an account without a database", {"pvt_assigned_to": D}, ""),
]


@pytest.mark.parametrize(("fields", "holders"), [case[1:] for case in LISTS], ids=[case[0] for case in LISTS])
@pytest.mark.parametrize("full", [False, True], ids=["from nothing", "from everywhere"])
def test_number_is_listed_by_its_holders(accounts: Accounts, fields: dict[str, Any], holders: str, full: bool) -> None:
    document = number_document(**fields)
    if full:
        for account in (A, B, C):
            accounts.write_listing(account, **{NUMBER: {"state": "reserved"}, OTHER: {"state": "reserved"}})
    before = number_document(assigned_to=A, pvt_reserve_history=[B, C])

    assert carry_out(accounts, accounts.copies(), before, document) == {}

    assert accounts.whereabouts() == holders
    assert accounts.whereabouts(OTHER) == ("abc" if full else "")


OWNERS = [
    ("in service", {}, "a"),
    ("any state", {"pvt_number_state": "aging"}, "a"),
    ("the history has none", {"pvt_reserve_history": [B, C]}, "a"),
    ("nobody's", {"pvt_assigned_to": None, "pvt_previously_assigned_to": A}, ""),
    ("moved", {"pvt_assigned_to": B, "pvt_previously_assigned_to": A}, "b"),
    ("an account without a database", {"pvt_assigned_to": D}, ""),
]


@pytest.mark.parametrize(("fields", "holders"), [case[1:] for case in OWNERS], ids=[case[0] for case in OWNERS])
def test_whole_copy_follows_the_assignee(accounts: Accounts, fields: dict[str, Any], holders: str) -> None:
    copies = accounts.copies(CopiesMode.PER_NUMBER)
    carry_out(accounts, copies, None, number_document())
    assert accounts.copies_in() == "a"

    assert carry_out(accounts, copies, number_document(), number_document(**fields)) == {}

    assert accounts.copies_in() == holders
    assert accounts.whereabouts() == ""


def test_whole_copy_is_the_whole_document(accounts: Accounts) -> None:
    document = number_document(pvt_something_new=[1, {"two": 3}])

    carry_out(accounts, accounts.copies(CopiesMode.PER_NUMBER), None, document)

    held = accounts.copied(A)
    assert held is not None
    assert held.pop("_rev").startswith("1-")
    assert held == document


def test_both_forms(accounts: Accounts) -> None:
    copies = accounts.copies(CopiesMode.BOTH)
    carry_out(accounts, copies, None, number_document(pvt_reserve_history=[B]))

    assert (accounts.whereabouts(), accounts.copies_in()) == ("ab", "a")
    assert (copies.numbers_of(A), copies.numbers_of(B), copies.numbers_of(D)) == ([NUMBER], [NUMBER], [])


def test_no_form(accounts: Accounts) -> None:
    accounts.write_listing(B, **{NUMBER: {}})
    copies = accounts.copies(CopiesMode.NONE)

    assert carry_out(accounts, copies, number_document(assigned_to=B), number_document()) == {}

    assert (accounts.whereabouts(), accounts.copies_in()) == ("b", "")
    assert (copies.repair([NUMBER]), copies.numbers_of(A)) == ({}, [])


def test_carry_out_keeps_foreign_fields(accounts: Accounts) -> None:
    entry = {"state": "reserved", "note": "call Ann first", "updated": 1}
    accounts.write_listing(A, pvt_odd=1, colour="blue", **{NUMBER: entry, OTHER: "typed by hand", "14155550100": {}})

    carry_out(accounts, accounts.copies(), None, number_document(pvt_used_by="callflow", pvt_module_name="knm_local"))

    held = accounts.listing(A)
    assert held is not None
    assert (held["pvt_odd"], held["colour"], held[OTHER], held["14155550100"]) == (1, "blue", "typed by hand", {})
    features = ["outbound_cnam", "dash_e911", "local"]
    assert held[NUMBER] == {**SUMMARY, "features": features, "used_by": "callflow", "note": "call Ann first"}


def test_document_of_another_kind_under_a_number_is_left_alone(accounts: Accounts) -> None:
    accounts.put(f"account/aa/aa/{'a' * 28}", {"_id": NUMBER, "pvt_type": "memo", "text": "mine"})

    assert carry_out(accounts, accounts.copies(CopiesMode.PER_NUMBER), None, number_document()) == {}

    held = accounts.copied(A)
    assert held is not None
    assert held["text"] == "mine"


@pytest.mark.parametrize("mode", [CopiesMode.SINGLE, CopiesMode.PER_NUMBER])
def test_carry_out_without_changes_writes_nothing(accounts: Accounts, mode: CopiesMode) -> None:
    copies = accounts.copies(mode)
    carry_out(accounts, copies, None, number_document(pvt_reserve_history=[B], pvt_previously_assigned_to=C))
    before = [accounts.listing(A), accounts.listing(B), accounts.copied(A), accounts.listing(C)]

    copies.update([change(number_document(), number_document())])
    copies.repair([NUMBER], {NUMBER: [B, C]})

    assert [accounts.listing(A), accounts.listing(B), accounts.copied(A), accounts.listing(C)] == before
    assert accounts.listing(C) is None


def test_thousand_numbers_are_one_write_an_account(accounts: Accounts) -> None:
    documents = [number_document(f"+1415{n:07}", (A, B)[n % 2]) for n in range(1000)]
    accounts.create("numbers/+1415")
    accounts.databases.database("numbers/+1415").put_many(documents)

    assert accounts.copies().update([change(None, each, each["_id"]) for each in documents]) == {}

    assert (len(accounts.listed(A)), len(accounts.listed(B))) == (500, 500)
    assert [str((accounts.listing(each) or {})["_rev"])[:2] for each in (A, B)] == ["1-", "1-"]


def test_deleted_number_goes_from_all_lists(accounts: Accounts) -> None:
    for mode in (CopiesMode.SINGLE, CopiesMode.PER_NUMBER):
        document = number_document(pvt_reserve_history=[B])
        carry_out(accounts, accounts.copies(mode), None, document)
        accounts.delete_number()

        assert accounts.copies(mode).update([change(document, None)]) == {}

        assert (accounts.whereabouts(), accounts.copies_in()) == ("", "")
    assert accounts.listing(A) is not None


def test_list_that_was_deleted_is_made_again(accounts: Accounts) -> None:
    carry_out(accounts, accounts.copies(), None, number_document())
    held = accounts.listing(A)
    assert held is not None
    accounts.databases.database(f"account/aa/aa/{'a' * 28}").delete("phone_numbers", held["_rev"])

    assert accounts.copies().repair([NUMBER]) == {}

    made = accounts.listing(A)
    assert made is not None
    assert (made[NUMBER], made["pvt_vsn"]) == (SUMMARY, "1")


@pytest.mark.parametrize("odd", ["x", "abcd", "../../_users", "A" * 32, "a/b/c/d/e"])
def test_odd_account_id_names_no_database(accounts: Accounts, odd: str) -> None:
    copies = accounts.copies()

    assert carry_out(accounts, copies, None, number_document(assigned_to=odd)) == {}
    assert copies.numbers_of(odd) == []


def test_list_that_can_grow_no_more_says_what_to_do(accounts: Accounts) -> None:
    """And the number stays in the list of whoever had it."""
    each = len(orjson.dumps({"+14160000000": SUMMARY})) - 1
    held = {f"+1416{n:07}": SUMMARY for n in range(7_999_000 // each)}
    accounts.write_listing(A, note="y" * (7_999_900 - len(orjson.dumps(held))), **held)
    accounts.write_listing(B, **{NUMBER: SUMMARY})
    before = number_document(assigned_to=B)

    result = carry_out(accounts, accounts.copies(), before, number_document())

    assert list(result) == [NUMBER]
    assert result[NUMBER].startswith(f"account {A} would list {len(held) + 1:,} numbers in one document of 8,0")
    assert "set account_copies to per_number and run did-router audit --repair" in result[NUMBER]
    assert accounts.whereabouts() == "b"
    assert accounts.copies(CopiesMode.PER_NUMBER).repair([NUMBER]) == {}
    assert accounts.copies_in() == "a"
