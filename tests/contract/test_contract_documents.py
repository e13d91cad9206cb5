"""Documents: revisions, conditional writes, refusals."""

import pytest

from tests.contract.exchange import Database

CONFLICT = (409, "conflict", "Document update conflict.")
NUMBER = "+14155550100"
BODY = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": "a" * 32}


def test_document_put_is_returned_unchanged_by_get(database: Database) -> None:
    answer = database.couch.put(database.document(NUMBER), BODY)
    assert answer.status == 201
    assert answer.headers["ETag"] == f'"{answer.json["rev"]}"'
    assert answer.headers["Location"].endswith(f"{database.path}/%2B14155550100")
    assert database.load(NUMBER) == {"_id": NUMBER, "_rev": answer.json["rev"], **BODY}


def test_same_edit_gets_the_same_revision(database: Database) -> None:
    # recorded from a real server: the hash is of the content, not of the id, the place or the time
    assert database.save(NUMBER, BODY) == "1-7c21807992cffa6493d72297777f67e6"
    assert database.save("+14155550101", BODY) == "1-7c21807992cffa6493d72297777f67e6"
    second = {**BODY, "_rev": "1-7c21807992cffa6493d72297777f67e6", "x": 1}
    assert database.save(NUMBER, second) == "2-12999026ff6a0b7b58230727637eaac1"


@pytest.mark.parametrize(
    ("body", "revision"),
    [
        ({"n": [1, 2, 3]}, "1-bd9fc61afd1ebdf01ce6e5bad1e13fb1"),
        (
            {"f": 1.5, "big": 63712345678, "neg": -5, "none": None, "t": True, "huge": 2**63},
            "1-9b1157569667d24cdf4420f1d4632c61",
        ),
        (
            {"deep": {"empty": {}, "list": [], "mixed": [1, "a", 300]}, "ü": "é"},
            "1-48d82ad5cd9a6bd07ae82a8c8e05547f",
        ),
        ({"f": 1.0, "e": 1e300, "m": -(2**40)}, "1-e225ed6aa0812996d86eceb3d270d020"),
    ],
)
def test_any_json_comes_back_as_it_was(database: Database, body: dict[str, object], revision: str) -> None:
    assert database.save(NUMBER, dict(body)) == revision
    assert database.load(NUMBER) == {"_id": NUMBER, "_rev": revision, **body}


def test_second_put_without_a_revision_is_refused(database: Database) -> None:
    database.save(NUMBER, BODY)
    assert database.couch.put(database.document(NUMBER), BODY).refusal == CONFLICT
    stale = {**BODY, "_rev": "1-00000000000000000000000000000000"}
    assert database.couch.put(database.document(NUMBER), stale).refusal == CONFLICT


def test_revision_may_come_in_the_body_the_query_or_if_match(database: Database) -> None:
    first = database.save(NUMBER)
    second = database.couch.put(f"{database.document(NUMBER)}?rev={first}", {"a": 2}).json["rev"]
    answer = database.couch.put(database.document(NUMBER), {"a": 3}, headers={"If-Match": f'"{second}"'})
    assert answer.json["rev"].startswith("3-")
    stale = database.couch.put(database.document(NUMBER), {"a": 4}, headers={"If-Match": f'"{second}"'})
    assert stale.refusal == CONFLICT
    differing = database.couch.put(f"{database.document(NUMBER)}?rev={first}", {"_rev": second})
    assert differing.status == 400


def test_known_etag_is_304(database: Database) -> None:
    revision = database.save(NUMBER)
    headers = {"If-None-Match": f'"{revision}"'}
    answer = database.couch.get(database.document(NUMBER), headers=headers)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == f'"{revision}"'
    database.save(NUMBER, {"_rev": revision})
    assert database.couch.get(database.document(NUMBER), headers=headers).status == 200


def test_head_has_the_headers_alone(database: Database) -> None:
    revision = database.save(NUMBER)
    answer = database.couch.send("HEAD", database.document(NUMBER))
    assert (answer.status, answer.body, answer.headers["ETag"]) == (200, b"", f'"{revision}"')
    assert database.couch.send("HEAD", database.document("+none")).status == 404


def test_missing_and_deleted_differ(database: Database) -> None:
    assert database.couch.get(database.document(NUMBER)).refusal == (404, "not_found", "missing")
    database.remove(NUMBER, database.save(NUMBER))
    assert database.couch.get(database.document(NUMBER)).refusal == (404, "not_found", "deleted")


def test_deletion_needs_the_revision(database: Database) -> None:
    database.save(NUMBER)
    assert database.couch.delete(database.document(NUMBER)).refusal == CONFLICT
    assert database.couch.delete(f"{database.document(NUMBER)}?rev=1-00").refusal == CONFLICT
    refused = database.couch.delete(f"{database.document(NUMBER)}?rev=nonsense")
    assert refused.refusal == (400, "bad_request", "Invalid rev format")
    assert database.couch.delete(f"{database.document('+none')}?rev=1-00").refusal == (
        404,
        "not_found",
        "missing",
    )


def test_deleted_document_put_again_goes_on_from_the_deletion(database: Database) -> None:
    deleted = database.remove(NUMBER, database.save(NUMBER, BODY))
    assert deleted.startswith("2-")
    assert database.save(NUMBER, BODY).startswith("3-")


def test_naming_the_deletions_revision_does_not_bring_it_back(database: Database) -> None:
    deleted = database.remove(NUMBER, database.save(NUMBER, BODY))
    assert database.couch.put(database.document(NUMBER), {**BODY, "_rev": deleted}).refusal == CONFLICT


def test_revision_of_an_unknown_document_is_taken_after_a_write(database: Database) -> None:
    # so `_rev` alone is no guard against a database that was made anew, or a document that was purged
    stray = {"_rev": "1-00000000000000000000000000000000"}
    assert database.couch.put(database.document("+14155550199"), stray).refusal == CONFLICT
    for last in range(8):
        database.save(f"+1415555010{last}")  # some in each shard
    assert database.save("+14155550199", stray).startswith("2-")


def test_raw_plus_in_the_path_is_a_space(database: Database) -> None:
    answer = database.couch.put(f"{database.path}/+14155550100", {})
    assert answer.json["id"] == " 14155550100"
    assert database.couch.get(database.document(NUMBER)).status == 404
    assert database.load(" 14155550100")["_id"] == " 14155550100"


def test_put_invalid_document_is_400(database: Database) -> None:
    put, path = database.couch.put, database.document(NUMBER)
    assert put(path, raw="{nope").refusal == (400, "bad_request", "invalid UTF-8 JSON")
    assert put(path, raw="[1]").refusal == (400, "bad_request", "Document must be a JSON object")
    assert put(path, {"_nope": 1}).refusal == (400, "doc_validation", "Bad special document member: _nope")
    assert put(path, {"_rev": "nonsense"}).refusal == (400, "bad_request", "Invalid rev format")
    status, error, _ = put(f"{database.path}/_nope", {}).refusal
    assert (status, error) == (400, "illegal_docid")


def test_post_chooses_the_id(database: Database) -> None:
    answer = database.couch.post(database.path, {"a": 1})
    assert answer.status == 201
    assert database.load(answer.json["id"])["a"] == 1
    named = database.couch.post(database.path, {"_id": NUMBER})
    assert named.json["id"] == NUMBER
    plain = database.couch.post(database.path, None, raw="{}", headers={"Content-Type": "text/plain"})
    assert plain.refusal == (415, "bad_content_type", "Content-Type must be application/json")


def test_chunked_bodies_are_read(database: Database) -> None:
    connection = database.couch.connection
    headers = {"Authorization": database.couch.authorization, "Content-Type": "application/json"}
    chunks = iter([b'{"a":', b"1", b"}"])
    connection.request("PUT", database.document(NUMBER), chunks, headers, encode_chunked=True)
    assert connection.getresponse().read().startswith(b'{"ok":true')
    assert database.load(NUMBER)["a"] == 1


def test_design_documents_are_kept_and_listed(database: Database) -> None:
    assert database.couch.put(f"{database.path}/_design/numbers", {"language": "erlang"}).status == 201
    assert database.couch.get(f"{database.path}/_design/numbers").json["language"] == "erlang"
    assert database.couch.get(f"{database.path}/_design/none/_view/v").refusal == (
        404,
        "not_found",
        "missing",
    )
    assert [row["id"] for row in database.changes()["results"]] == ["_design/numbers"]


def test_local_documents_stay_out_of_everything(database: Database) -> None:
    path = f"{database.path}/_local/checkpoint"
    assert database.couch.get(path).refusal == (404, "not_found", "missing")
    before = database.state()
    assert database.couch.put(path, {"a": 1}).json == {"ok": True, "id": "_local/checkpoint", "rev": "0-1"}
    assert database.couch.put(path, {"a": 2, "_rev": "0-1"}).json["rev"] == "0-2"
    assert database.couch.get(path).json == {"_id": "_local/checkpoint", "_rev": "0-2", "a": 2}
    assert database.state()["update_seq"] == before["update_seq"]
    assert database.changes()["results"] == []
    assert database.couch.get(f"{database.path}/_all_docs").json["rows"] == []
    assert database.couch.delete(path).status == 200
    assert database.couch.get(path).status == 404


def test_document_beyond_eight_million_bytes_is_413(database: Database) -> None:
    body = {"x": "y" * 7_999_992}
    assert database.couch.put(database.document("fits"), body).status == 201

    body["x"] += "y" * 200
    alone = database.couch.put(database.document("large"), {"_id": "large", **body})
    together = database.couch.post(
        f"{database.path}/_bulk_docs", {"docs": [{"_id": "small"}, {"_id": "large", **body}]}
    )

    for answer in (alone, together):
        assert (answer.status, answer.json) == (413, {"error": "document_too_large", "reason": "large"})
    assert database.couch.get(database.document("small")).status == 404
