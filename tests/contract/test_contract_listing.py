"""`_all_docs`: every live document, in byte order."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.exchange import Database

NUMBERS = [f"+1415555010{last}" for last in range(6)]


@pytest.fixture
def filled(database: Database) -> Database:
    database.bulk([{"_id": number, "n": n} for n, number in enumerate(NUMBERS)])
    return database


def listed(database: Database, query: str = "") -> list[str]:
    rows = database.couch.get(f"{database.path}/_all_docs?{query}").json["rows"]
    return [row["id"] for row in rows]


def key(number: str) -> str:
    return quote(f'"{number}"', safe="")


def test_all_of_them(filled: Database) -> None:
    answer = filled.couch.get(f"{filled.path}/_all_docs").json
    assert (answer["total_rows"], answer["offset"]) == (6, 0)
    assert [row["id"] for row in answer["rows"]] == NUMBERS
    assert set(answer["rows"][0]) == {"id", "key", "value"}
    assert set(answer["rows"][0]["value"]) == {"rev"}


def test_ranges(filled: Database) -> None:
    second, fourth = key(NUMBERS[1]), key(NUMBERS[3])
    assert listed(filled, f"start_key={second}&end_key={fourth}") == NUMBERS[1:4]
    assert listed(filled, f"startkey={second}&endkey={fourth}&inclusive_end=false") == NUMBERS[1:3]
    assert listed(filled, f"start_key={second}&limit=2&skip=1") == NUMBERS[2:4]
    assert listed(filled, f"start_key={fourth}&end_key={second}&descending=true") == NUMBERS[3:0:-1]
    assert listed(filled, f"key={second}") == NUMBERS[1:2]
    assert listed(filled, "limit=0") == []


def test_paging_by_key_meets_every_document_once(filled: Database) -> None:
    met: list[str] = []
    query = "limit=3"
    while page := listed(filled, query):
        met += page if not met else page[1:]
        if len(page) < 3:
            break
        query = f"limit=3&start_key={key(page[-1])}"
    assert met == NUMBERS


def test_key_with_a_raw_plus_finds_nothing(filled: Database) -> None:
    assert listed(filled, f"key=%22{NUMBERS[0]}%22") == []


def test_documents_on_request(filled: Database) -> None:
    rows = filled.couch.get(f"{filled.path}/_all_docs?include_docs=true&limit=1").json["rows"]
    assert rows[0]["doc"] == filled.load(NUMBERS[0])


def test_by_keys_in_the_order_asked(filled: Database) -> None:
    deleted = filled.remove(NUMBERS[2], filled.load(NUMBERS[2])["_rev"])
    keys = [NUMBERS[4], "+none", NUMBERS[2], NUMBERS[0]]
    answer = filled.couch.post(f"{filled.path}/_all_docs?include_docs=true", {"keys": keys}).json
    assert (answer["total_rows"], answer["offset"]) == (5, None)
    rows: list[Any] = answer["rows"]
    assert rows[0]["doc"]["n"] == 4
    assert rows[1] == {"key": "+none", "error": "not_found"}
    value = {"rev": deleted, "deleted": True}
    assert rows[2] == {"id": NUMBERS[2], "key": NUMBERS[2], "value": value, "doc": None}
    assert rows[3]["doc"]["n"] == 0


def test_deleted_documents_are_left_out(filled: Database) -> None:
    filled.remove(NUMBERS[0], filled.load(NUMBERS[0])["_rev"])
    assert listed(filled) == NUMBERS[1:]


def test_sequence_on_request_is_good_for_since(filled: Database) -> None:
    answer = filled.couch.get(f"{filled.path}/_all_docs?update_seq=true&limit=1").json
    filled.save("+14155550199")
    rows = filled.changes(f"since={answer['update_seq']}")["results"]
    assert [row["id"] for row in rows] == ["+14155550199"]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "descending=x", "skip=x"])
def test_parameter_that_cannot_be_read_is_refused(filled: Database, query: str) -> None:
    status, error, _ = filled.couch.get(f"{filled.path}/_all_docs?{query}").refusal
    assert (status, error) == (400, "query_parse_error")


def test_key_that_is_not_json_is_refused(filled: Database) -> None:
    answer = filled.couch.get(f"{filled.path}/_all_docs?start_key=nope")
    assert answer.refusal == (400, "bad_request", "invalid UTF-8 JSON")
