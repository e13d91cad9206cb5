"""did-router audit and follow --account-copies, on accounts that have databases."""

import signal
from collections.abc import Iterator

import pytest

from router.account_copies.names import account_database
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from tests.cli.command import ACCOUNTS, Start, databases_at, number, run
from tests.support.waiting import eventually

SHARD, DIGITS, OTHER = "numbers/+1305", "+13055550100", "+13055550101"
HOME = str(account_database(ACCOUNTS[0]))
FOUND = ["account", "number", "copy", "kind", "repaired", "message"]


@pytest.fixture
def databases(couchdb: str) -> Iterator[CouchServer]:
    made = databases_at(couchdb)
    for name in (SHARD, HOME):
        made.database(name).create()
    yield made
    for name in (SHARD, HOME):
        made.database(name).drop()


def listed(databases: CouchServer) -> list[str]:
    try:
        return [name for name in databases.database(HOME).get("phone_numbers") if name.startswith("+")]
    except CouchError:
        return []


def test_audit_repair_corrects_account_copies(databases: CouchServer, stores: tuple[str, ...]) -> None:
    databases.database(SHARD).put(number(DIGITS) | {"pvt_state": "reserved"})
    databases.database(HOME).put({"_id": "phone_numbers", OTHER: {"state": "in_service"}})
    flags = ("--database", SHARD, *stores)
    assert run("warm", *flags).code == 0

    without = run("audit", "--no-copies", "--json", *flags)
    found = run("audit", "--json", *flags)
    mended = run("audit", "--repair", *flags)
    after = run("audit", "--json", *flags)

    assert (without.code, without.json[-1]["copies"]) == (0, 0)
    *lines, totals = found.json
    assert found.code == 1
    assert [list(line) for line in lines] == [FOUND, FOUND]
    assert {(each["account"], each["copy"], each["repaired"], each["message"]) for each in lines} == {
        (ACCOUNTS[0], "phone_numbers", False, None)
    }
    assert {each["number"]: each["kind"] for each in lines} == {DIGITS: "missing", OTHER: "extra"}
    assert (totals["copies"], totals["accounts"]) == (2, 1)
    state = {"database": SHARD, "number": DIGITS, "pvt_state": "reserved", "pvt_number_state": "in_service"}
    assert totals["conflicting_states"] == [state]
    assert mended.code == 0
    assert f"missing: {DIGITS} in the copy (phone_numbers) of account {ACCOUNTS[0]}, mended" in mended.out
    assert f"two states: {DIGITS} in {SHARD}: pvt_state reserved counts" in mended.err
    assert (after.code, listed(databases)) == (0, [DIGITS])


def test_follow_with_account_copies_repairs_them(databases: CouchServer, stores: tuple[str, ...], start: Start) -> None:
    follower = start("follow", "--account-copies", *stores)
    follower.wait_for("leading: owner=")
    databases.database(SHARD).put(number(DIGITS))

    eventually(lambda: DIGITS in listed(databases))

    assert follower.end(signal.SIGTERM) == 0
