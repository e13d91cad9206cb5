"""Requests for many documents, replicated and resolved conflicts, purges."""

from typing import Any

from tests.contract.exchange import Database

JSON = {"Accept": "application/json"}
FIRST, SECOND, THIRD = "+14155550100", "+14155550101", "+14155550102"


def planted(identity: str, revision: str, **body: Any) -> dict[str, Any]:
    return {"_id": identity, "_rev": revision, **body}


def digest(digit: str) -> str:
    return digit * 32


def test_each_document_has_an_outcome_in_order(database: Database) -> None:
    database.save(FIRST)
    outcomes = database.bulk([{"_id": SECOND}, {"_id": FIRST}, {"_id": THIRD}, {"_id": THIRD}])
    assert [outcome["id"] for outcome in outcomes] == [SECOND, FIRST, THIRD, THIRD]
    assert [outcome.get("ok") for outcome in outcomes] == [True, None, True, None]
    refused = {"id": FIRST, "error": "conflict", "reason": "Document update conflict."}
    assert outcomes[1] == refused


def test_bulk_docs_without_a_list_of_documents_is_400(database: Database) -> None:
    path = f"{database.path}/_bulk_docs"
    post = database.couch.post
    assert post(path, {"docs": {}}).refusal == (400, "bad_request", "`docs` parameter must be an array.")
    assert post(path, {}).refusal == (400, "bad_request", "POST body must include `docs` parameter.")
    assert post(path, []).refusal == (400, "bad_request", "Request body must be a JSON object")
    refused = post(path, {"docs": [{"_id": FIRST}, {"_id": "_bad"}]})
    assert refused.status == 400
    assert database.info()["doc_count"] == 0, "one bad id refuses them all"


def test_planted_revision_keeps_its_name(database: Database) -> None:
    assert database.bulk([planted(FIRST, f"5-{digest('a')}", n=1)], new_edits=False) == []
    assert database.load(FIRST) == {"_id": FIRST, "_rev": f"5-{digest('a')}", "n": 1}
    assert database.save(FIRST, {"_rev": f"5-{digest('a')}"}).startswith("6-")


def test_planting_again_changes_nothing(database: Database) -> None:
    database.bulk([planted(FIRST, f"5-{digest('a')}", n=1)], new_edits=False)
    before = database.state()["update_seq"]
    database.bulk([planted(FIRST, f"5-{digest('a')}", n=2)], new_edits=False)
    assert database.load(FIRST)["n"] == 1
    assert database.state()["update_seq"] == before


def test_planting_needs_a_revision(database: Database) -> None:
    answer = database.couch.post(f"{database.path}/_bulk_docs", {"docs": [{"_id": FIRST}], "new_edits": False})
    assert answer.status == 400


def test_winner_is_the_highest_generation_then_the_highest_hash(database: Database) -> None:
    database.bulk([planted(FIRST, f"2-{digest('f')}"), planted(FIRST, f"3-{digest('a')}")], new_edits=False)
    assert database.load(FIRST)["_rev"] == f"3-{digest('a')}"
    database.bulk([planted(FIRST, f"3-{digest('b')}")], new_edits=False)
    answer = database.couch.get(f"{database.document(FIRST)}?conflicts=true").json
    assert answer["_rev"] == f"3-{digest('b')}"
    assert answer["_conflicts"] == [f"3-{digest('a')}", f"2-{digest('f')}"]


def test_living_revision_beats_a_deleted_one(database: Database) -> None:
    tombstone = planted(FIRST, f"9-{digest('f')}", _deleted=True)
    database.bulk([planted(FIRST, f"2-{digest('a')}"), tombstone], new_edits=False)
    assert database.load(FIRST)["_rev"] == f"2-{digest('a')}"


def test_deleting_the_winner_brings_the_other_up(database: Database) -> None:
    database.bulk([planted(FIRST, f"2-{digest('a')}"), planted(FIRST, f"2-{digest('b')}")], new_edits=False)
    database.remove(FIRST, f"2-{digest('b')}")
    assert database.load(FIRST)["_rev"] == f"2-{digest('a')}"
    (row,) = database.changes()["results"]
    assert row["changes"] == [{"rev": f"2-{digest('a')}"}]
    assert "deleted" not in row


def test_changes_show_the_winner_unless_asked_for_all(database: Database) -> None:
    database.bulk([planted(FIRST, f"2-{digest('a')}"), planted(FIRST, f"2-{digest('b')}")], new_edits=False)
    (row,) = database.changes()["results"]
    assert row["changes"] == [{"rev": f"2-{digest('b')}"}]
    (row,) = database.changes("style=all_docs")["results"]
    assert row["changes"] == [{"rev": f"2-{digest('b')}"}, {"rev": f"2-{digest('a')}"}]


def test_history_extends_the_revision_it_names(database: Database) -> None:
    database.bulk([planted(FIRST, f"1-{digest('a')}")], new_edits=False)
    child = {"_id": FIRST, "_revisions": {"start": 2, "ids": [digest("b"), digest("a")]}, "n": 2}
    database.bulk([child], new_edits=False)
    answer = database.couch.get(f"{database.document(FIRST)}?conflicts=true&revs=true").json
    assert answer["_rev"] == f"2-{digest('b')}"
    assert answer["_revisions"] == {"start": 2, "ids": [digest("b"), digest("a")]}
    assert "_conflicts" not in answer
    database.bulk([planted(FIRST, f"1-{digest('a')}")], new_edits=False)  # known already
    assert "_conflicts" not in database.couch.get(f"{database.document(FIRST)}?conflicts=true").json


def test_bulk_get_has_a_result_each(database: Database) -> None:
    revision = database.save(FIRST, {"a": 1})
    answer = database.couch.post(f"{database.path}/_bulk_get", {"docs": [{"id": FIRST}, {"id": SECOND}]})
    missing = {"rev": "undefined", "reason": "missing", "id": SECOND, "error": "not_found"}
    assert answer.json["results"] == [
        {"id": FIRST, "docs": [{"ok": {"_id": FIRST, "_rev": revision, "a": 1}}]},
        {"id": SECOND, "docs": [{"error": missing}]},
    ]


def test_every_way_of_reading_leaves_tells_of_their_ancestors(database: Database) -> None:
    first = database.save(FIRST, {"a": 1})
    second = database.save(FIRST, {"_rev": first, "a": 2})
    history = {"start": 2, "ids": [second.partition("-")[2], first.partition("-")[2]]}
    bulk = database.couch.post(f"{database.path}/_bulk_get?revs=true", {"docs": [{"id": FIRST}]}).json
    assert bulk["results"][0]["docs"][0]["ok"]["_revisions"] == history
    (leaf,) = database.couch.get(f"{database.document(FIRST)}?open_revs=all&revs=true", headers=JSON).json
    assert leaf["ok"]["_revisions"] == history
    plain = database.couch.post(f"{database.path}/_bulk_get", {"docs": [{"id": FIRST}]})
    assert b"_revisions" not in plain.body


def test_bulk_get_shows_a_deletion(database: Database) -> None:
    deleted = database.remove(FIRST, database.save(FIRST))
    answer = database.couch.post(f"{database.path}/_bulk_get", {"docs": [{"id": FIRST}]})
    assert answer.json["results"][0]["docs"] == [{"ok": {"_id": FIRST, "_rev": deleted, "_deleted": True}}]


def test_purge_sends_no_row_and_moves_both_sequences(database: Database) -> None:
    revision = database.save(FIRST)
    database.save(SECOND)
    seen, before = database.changes()["last_seq"], database.info()
    answer = database.couch.post(f"{database.path}/_purge", {FIRST: [revision]})
    assert answer.status == 201
    assert answer.json == {"purge_seq": None, "purged": {FIRST: [revision]}}
    after = database.info()
    assert after["purge_seq"].split("-")[0] == "1"
    assert after["purge_seq"] != before["purge_seq"]
    assert after["update_seq"] != before["update_seq"]
    assert (after["doc_count"], after["doc_del_count"]) == (1, 0)
    assert database.changes(f"since={seen}")["results"] == []
    assert [row["id"] for row in database.changes()["results"]] == [SECOND]
    assert database.couch.get(database.document(FIRST)).refusal == (404, "not_found", "missing")


def test_purged_document_starts_again_at_generation_one(database: Database) -> None:
    first = database.save(FIRST, {"a": 1})
    second = database.save(FIRST, {"a": 2, "_rev": first})
    database.couch.post(f"{database.path}/_purge", {FIRST: [second]})
    assert database.save(FIRST, {"a": 1}) == first
