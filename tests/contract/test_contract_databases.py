"""Databases: names, information and lists."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.contract.exchange import Couch, Database, comparable

MISSING = (404, "not_found", "Database does not exist.")


def test_making_one_twice_is_refused(database: Database) -> None:
    assert database.couch.put(database.path).refusal == (
        412,
        "file_exists",
        "The database could not be created, the file already exists.",
    )


@pytest.mark.parametrize("name", ["Numbers/+1415", "9numbers", "numbers +1415", "_numbers"])
def test_name_outside_the_alphabet_is_refused(couch: Couch, name: str) -> None:
    status, error, reason = couch.put("/" + quote(name, safe="")).refusal
    assert (status, error) == (400, "illegal_database_name")
    assert reason.startswith(f"Name: '{name}'. Only lowercase characters (a-z)")


def test_missing_database_is_404_for_every_request(couch: Couch) -> None:
    for path in ("", "/_all_docs", "/_changes", "/_changes?feed=continuous", "/%2B1415"):
        assert couch.get("/numbers%2F%2Bnone" + path).refusal == MISSING
    assert couch.delete("/numbers%2F%2Bnone").refusal == MISSING
    assert couch.post("/numbers%2F%2Bnone/_bulk_docs", {"docs": []}).refusal == MISSING
    assert couch.send("HEAD", "/numbers%2F%2Bnone").status == 404


def test_slash_and_plus_must_be_encoded(database: Database) -> None:
    digits = database.name.removeprefix("numbers/+")
    assert database.couch.get(f"/numbers%2F%2B{digits}").status == 200
    assert database.couch.get(f"/numbers%2F+{digits}").refusal == MISSING
    assert database.couch.get(f"/numbers/%2B{digits}").status == 404


def test_information_says_what_a_sweep_compares(database: Database) -> None:
    info = database.info()
    assert info["db_name"] == database.name
    assert info["instance_start_time"].isdigit()  # whole seconds
    assert abs(int(info["instance_start_time"]) - time.time()) < 60
    assert info["update_seq"].startswith("0-")
    assert info["purge_seq"].startswith("0-")
    assert (info["doc_count"], info["doc_del_count"]) == (0, 0)


def test_counts_follow_writes_and_deletions(database: Database) -> None:
    revision = database.save("+14155550100")
    database.save("+14155550101")
    database.remove("+14155550100", revision)
    info = database.info()
    assert (info["doc_count"], info["doc_del_count"]) == (1, 1)
    assert info["update_seq"].startswith("3-")


def test_one_made_anew_has_another_start_time_and_starts_at_generation_one(database: Database) -> None:
    before = database.info()["instance_start_time"]
    database.save("+14155550100", {"_id": "+14155550100", "a": 1})
    database.save("+14155550100", database.load("+14155550100") | {"a": 2})
    time.sleep(1.1)  # start times count whole seconds
    database.drop()
    database.create()
    assert database.info()["instance_start_time"] != before
    assert database.save("+14155550100", {"a": 3}).startswith("1-")


def test_all_dbs_takes_a_range(couch: Couch, new_database: Callable[[], Database]) -> None:
    names = sorted(new_database().name for _ in range(3))
    first, last = (quote(f'"{name}"', safe="") for name in (names[0], names[-1]))

    def listed(query: str) -> list[str]:
        return [name for name in couch.get(f"/_all_dbs?{query}").json if name in names]

    assert listed(f"start_key={first}&end_key={last}") == names
    assert listed(f"startkey={first}&endkey={last}&inclusive_end=false") == names[:-1]
    assert listed(f"start_key={last}&end_key={first}&descending=true") == names[::-1]
    assert couch.get(f"/_all_dbs?start_key={first}&limit=1").json == names[:1]
    assert couch.get(f"/_all_dbs?start_key={first}&limit=1&skip=0").json == names[:1]


def test_bound_with_a_raw_plus_finds_nothing_and_says_nothing(couch: Couch, database: Database) -> None:
    digits = database.name.removeprefix("numbers/+")
    for plus, found in (("%2B", [database.name]), ("+", [])):
        bound = f"%22numbers%2F{plus}{digits}%22"
        assert couch.get(f"/_all_dbs?start_key={bound}&end_key={bound}").json == found


def test_dbs_info_answers_for_names(couch: Couch, database: Database) -> None:
    database.save("+14155550100")
    answer = couch.post("/_dbs_info", {"keys": [database.name, "numbers/+none"]})
    assert answer.status == 200
    found, missing = answer.json
    assert (found["key"], comparable(found["info"], couch.copies)) == (database.name, database.state())
    assert missing == {"key": "numbers/+none", "error": "not_found"}


def test_dbs_info_takes_a_hundred_names(couch: Couch) -> None:
    assert len(couch.post("/_dbs_info", {"keys": [f"x{n}" for n in range(100)]}).json) == 100
    refused = couch.post("/_dbs_info", {"keys": [f"x{n}" for n in range(101)]})
    assert refused.refusal == (400, "bad_request", "too_many_keys")


def test_dbs_info_takes_a_range(couch: Couch, database: Database) -> None:
    key = quote(f'"{database.name}"', safe="")
    answer = couch.get(f"/_dbs_info?start_key={key}&limit=1")
    (found,) = answer.json
    assert (found["key"], comparable(found["info"], couch.copies)) == (database.name, database.state())


def test_security_and_revs_limit_move_update_seq_without_a_row(database: Database) -> None:
    database.save("+14155550100")
    changes, before = database.changes(), database.info()["update_seq"]
    assert database.couch.put(f"{database.path}/_security", {"members": {"roles": ["_admin"]}}).status == 200
    assert database.couch.get(f"{database.path}/_security").json == {"members": {"roles": ["_admin"]}}
    assert database.couch.put(f"{database.path}/_revs_limit", raw="500").status == 200
    assert database.couch.get(f"{database.path}/_revs_limit").json == 500
    assert database.info()["update_seq"] != before
    after = database.changes(f"since={changes['last_seq']}")
    assert after["results"] == []
    numbers = {database.info()["update_seq"].split("-")[0] for _ in range(30)}  # a copy may get them later
    assert numbers != {after["last_seq"].split("-")[0]}


def test_compaction_keeps_sequences(database: Database) -> None:
    database.save("+14155550100")
    seen = database.changes()["last_seq"]
    assert database.couch.post(f"{database.path}/_compact", {}).status == 202
    database.save("+14155550101")
    rows = database.changes(f"since={seen}")["results"]
    assert [row["id"] for row in rows] == ["+14155550101"]


def test_ensure_full_commit_says_the_start_time(database: Database) -> None:
    answer = database.couch.post(f"{database.path}/_ensure_full_commit", {})
    assert answer.status == 201
    assert answer.json == {"ok": True, "instance_start_time": database.info()["instance_start_time"]}


def test_method_not_allowed_names_the_allowed_ones(database: Database) -> None:
    answer = database.couch.send("PATCH", database.path)
    assert answer.refusal == (405, "method_not_allowed", "Only DELETE,GET,HEAD,POST allowed")
    assert answer.headers["Allow"] == "DELETE,GET,HEAD,POST"


def test_deleting_a_database_with_a_revision_is_refused(database: Database) -> None:
    assert database.couch.delete(f"{database.path}?rev=1-x").status == 400
    assert database.couch.get(database.path).status == 200
