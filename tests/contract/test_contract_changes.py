"""A single request for `_changes`: its rows and their content."""

from tests.contract.exchange import Database

FIRST, SECOND = "+14155550100", "+14155550101"
NUMBERS = [f"+141555501{last:02}" for last in range(40)]


def test_document_shows_its_latest_revision_only(database: Database) -> None:
    revision = database.save(FIRST, {"n": 0})
    for n in range(1, 5):
        revision = database.save(FIRST, {"n": n, "_rev": revision})
    (row,) = database.changes()["results"]
    assert row["changes"] == [{"rev": revision}]
    assert row["id"] == FIRST
    assert row["seq"].startswith("5-")


def test_deletion_is_a_row_of_changes(database: Database) -> None:
    deleted = database.remove(FIRST, database.save(FIRST, {"n": 1}))
    (row,) = database.changes("include_docs=true")["results"]
    assert row["deleted"] is True
    assert row["changes"] == [{"rev": deleted}]
    assert row["doc"] == {"_id": FIRST, "_rev": deleted, "_deleted": True}


def test_deletion_may_carry_a_body(database: Database) -> None:
    revision = database.save(FIRST)
    database.bulk([{"_id": FIRST, "_rev": revision, "_deleted": True, "why": "released"}])
    (row,) = database.changes("include_docs=true")["results"]
    assert row["doc"]["why"] == "released"


def test_documents_on_request(database: Database) -> None:
    database.save(FIRST, {"n": 1})
    (row,) = database.changes("include_docs=true")["results"]
    assert row["doc"] == database.load(FIRST)
    assert "doc" not in database.changes()["results"][0]


def test_rows_are_grouped_by_shard_not_in_the_order_of_writes(database: Database) -> None:
    for number in NUMBERS:
        database.save(number)
    rows = [row["id"] for row in database.changes()["results"]]
    assert sorted(rows) == NUMBERS
    assert rows != NUMBERS


def test_rows_without_sequences_and_going_on_by_the_last_one(database: Database) -> None:
    """`seq_interval` spares CouchDB a sequence for each row; `last_seq` is there all the same."""
    database.bulk([{"_id": number} for number in NUMBERS])
    met: list[str] = []
    since, rows = "0", 7
    while rows == 7:
        answer = database.changes(f"limit=7&seq_interval=7&since={since}")
        met += [row["id"] for row in answer["results"]]
        since, rows = answer["last_seq"], len(answer["results"])
    assert sorted(met) == NUMBERS
    database.save("+14155559999")
    assert [row["id"] for row in database.changes(f"seq_interval=7&since={since}")["results"]] == ["+14155559999"]


def test_limits_and_going_on_meet_every_row_once(database: Database) -> None:
    database.bulk([{"_id": number} for number in NUMBERS])
    met: list[str] = []
    since, left = "0", len(NUMBERS)
    while left:
        answer = database.changes(f"limit=7&since={since}")
        met += [row["id"] for row in answer["results"]]
        assert answer["last_seq"] == answer["results"][-1]["seq"]
        assert len(met) + answer["pending"] == len(NUMBERS)
        since, left = answer["last_seq"], answer["pending"]
    assert sorted(met) == NUMBERS


def test_limit_of_nothing_leaves_everything_pending(database: Database) -> None:
    database.bulk([{"_id": number} for number in NUMBERS])
    answer = database.changes("limit=0")
    assert (answer["results"], answer["pending"]) == ([], len(NUMBERS))
    assert answer["last_seq"].startswith("0-")


def test_only_the_documents_asked_for(database: Database) -> None:
    database.bulk([{"_id": number} for number in NUMBERS])
    path = f"{database.path}/_changes?filter=_doc_ids"
    answer = database.couch.post(path, {"doc_ids": [FIRST]})
    assert [row["id"] for row in answer.json["results"]] == [FIRST]


def test_changes_by_post_equal_those_by_get(database: Database) -> None:
    database.save(FIRST)
    answer = database.couch.post(f"{database.path}/_changes", {})
    assert [row["id"] for row in answer.json["results"]] == [FIRST]


def test_changes_etag_is_304_until_a_write(database: Database) -> None:
    database.save(FIRST)
    etag = database.couch.get(f"{database.path}/_changes").headers["ETag"]
    headers = {"If-None-Match": etag}
    tries = 1 if database.couch.copies == 1 else 100  # a cluster's is of the copies that happen to answer
    answers = (database.couch.get(f"{database.path}/_changes", headers=headers).status for _ in range(tries))
    assert 304 in answers
    database.save(SECOND)
    assert database.couch.get(f"{database.path}/_changes", headers=headers).status == 200


def test_parameters_that_will_not_do(database: Database) -> None:
    get, path = database.couch.get, f"{database.path}/_changes"
    for query in ("feed=zip", "heartbeat=0", "heartbeat=x"):
        assert get(f"{path}?{query}").refusal[:2] == (400, "bad_request")
