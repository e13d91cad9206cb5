"""did-router check, warm and audit."""

import time

import pytest
from redis import Redis

from router.embedded import EmbeddedCouchDB
from router.entries.codec import Entry, unpack
from router.redis_store.keys import Keys
from router.v1 import inbound_pb2 as pb
from tests.cli.command import ACCOUNTS, DOCUMENTS, NOWHERE, NUMBERS, SERVE, Start, databases_at, run, serving

Stores = tuple[str, ...]

WARMED = {
    "databases",
    "filled",
    "current",
    "read",
    "written",
    "not_numbers",
    "failed_databases",
    "skipped",
    "watched",
}
AUDITED = [
    "databases",
    "documents",
    "entries",
    "differences",
    "accounts",
    "copies",
    "skipped",
    "conflicting_states",
    "seconds",
]
LOST = str(DOCUMENTS["numbers/+1415"][1]["_id"])
DIFFERENCE = ["database", "id", "kind", "cached", "stored", "repaired"]


def test_check_without_a_service_finds_no_fault(stores: Stores) -> None:
    result = run("check", *stores)

    assert (result.code, "BAD" in result.out) == (0, False)
    assert "ok   settings: can be used" in result.out
    assert "2 number databases" in result.out
    assert "ok   follower: not running yet, and no service on this Redis either: start did-router follow" in result.out


def test_check_service_without_follower_is_a_fault(stores: Stores, start: Start) -> None:
    serving(start(*SERVE, *stores))
    result = run("check", *stores)

    assert result.code == 1
    assert "BAD  follower: none is running, and 1 workers answer without one: start did-router follow" in result.out


def test_check_unreachable_stores_exit_with_3() -> None:
    result = run("check", "--couchdb-url", NOWHERE, "--redis-url", "redis://user:s3cret@127.0.0.1:1/0")

    assert result.code == 3
    assert f"BAD  CouchDB {NOWHERE}: " in result.out
    assert "BAD  Redis redis://user:***@127.0.0.1:1/0: " in result.out
    assert "s3cret" not in result.out + result.err


def test_check_reads_the_environment(stores: Stores) -> None:
    result = run("check", DID_ROUTER_COUCHDB_URL=stores[1], DID_ROUTER_REDIS_URL=stores[3])

    assert "2 number databases" in result.out
    assert "answers, " in result.out


def test_warm_verify_reports_counts(stores: Stores) -> None:
    result = run("warm", "--verify", "--json", *stores)
    expected = result.json[0]

    assert (result.code, result.err) == (0, "")
    assert set(expected) == {*WARMED, "seconds", "rate", "verified"}
    assert (expected["databases"], expected["filled"], expected["current"], expected["read"]) == (2, 2, 0, NUMBERS)
    assert (expected["failed_databases"], expected["skipped"], expected["watched"]) == ([], [], False)
    assert expected["verified"] == {"documents": NUMBERS, "differences": 0}
    assert expected["rate"] > 0


def test_warm_resumes_at_its_checkpoint(stores: Stores) -> None:
    first = run("warm", "--json", "--database", "numbers/+4420", *stores).json[0]
    second = run("warm", *stores)

    assert (first["databases"], first["filled"], first["read"]) == (1, 1, 1)
    assert second.code == 0
    assert second.out.splitlines()[0] == "2 databases: 1 filled, 1 up to date already, 0 left out"


def test_warm_missing_database_is_reported(stores: Stores) -> None:
    result = run("warm", "--json", "--database", "numbers/+9999", *stores)

    assert result.code == 1
    assert result.json[0]["failed_databases"] == [
        {"database": "numbers/+9999", "message": "there is no such number database"}
    ]


@pytest.fixture
def planted(stores: Stores) -> tuple[Stores, str]:
    """A warmed cache in which one number leads to the wrong account, and one is lost."""
    assert run("warm", *stores).code == 0
    number = str(DOCUMENTS["numbers/+1415"][0]["_id"])
    key = Keys("did-router:").number(number)
    with Redis.from_url(stores[3]) as redis:
        held = unpack(bytes(redis.get(key) or b""))
        assert held is not None
        wrong = pb.LookupResponse.FromString(held.payload)
        wrong.account_id = ACCOUNTS[3]
        redis.set(key, Entry(held.version, held.kind, int(time.time()), wrong.SerializeToString()).pack())
        redis.delete(Keys("did-router:").number(LOST))
    return stores, number


def test_audit_reports_unreachable_documents(redis_url: str) -> None:
    kind = {"pvt_number_state": "in_service", "pvt_assigned_to": ACCOUNTS[0], "pvt_type": "number"}
    unreachable: dict[str, dict[str, str]] = {
        "+1415887": kind,
        "+14158868001": {**kind, "pvt_type": "account"},
        "+1415-88680": kind,
        "+442079460019": kind,
        "14158868002": kind,
    }
    documents = {"+14158868000": kind, "_design/numbers": {}, **unreachable}
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        databases.database("numbers/+1415").create()
        databases.database("numbers/+1415").put_many([{"_id": name, **fields} for name, fields in documents.items()])
        stores = ("--couchdb-url", server.url, "--redis-url", redis_url)
        run("warm", *stores)
        totals = run("audit", "--json", *stores).json[-1]
        shown = run("audit", *stores).err
    assert sorted(each["id"] for each in totals["skipped"]) == sorted(unreachable)
    assert "not reachable by any lookup: +1415887 in numbers/+1415: its id '+1415887' is no number by" in shown
    assert "+14158868001 in numbers/+1415: its pvt_type is 'account', not 'number'" in shown


def test_audit_repair_corrects_the_cache(planted: tuple[Stores, str]) -> None:
    stores, number = planted
    found = run("audit", "--json", *stores)
    mended = run("audit", "--repair", *stores)
    after = run("audit", "--json", *stores)

    *differences, totals = found.json
    assert found.code == 1
    assert [list(each) for each in differences] == [DIFFERENCE] * 2
    kinds = {each["id"]: (each["kind"], each["repaired"]) for each in differences}
    assert kinds == {number: ("different", False), LOST: ("missing", False)}
    assert list(totals) == AUDITED
    assert (totals["databases"], totals["documents"], totals["differences"]) == (2, NUMBERS, 2)
    assert mended.code == 0
    assert f"different: {number} in numbers/+1415" in mended.out
    assert mended.out.count(", mended\n") == 2
    assert (after.code, after.json[-1]["differences"]) == (0, 0)
