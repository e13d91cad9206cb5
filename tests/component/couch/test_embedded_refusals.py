"""Documents that the embedded database does not keep: each is refused with a reason."""

from collections.abc import Iterator

import pytest

from router.embedded import EmbeddedCouchDB
from router.embedded.couchdb.drafts import MAX_DEPTH
from tests.contract.exchange import Couch


@pytest.fixture(scope="module")
def couch() -> Iterator[Couch]:
    with EmbeddedCouchDB() as server:
        made = Couch(server.url)
        made.put("/docs")
        yield made


def nested(levels: int) -> str:
    """A document of so many objects and lists inside of one another."""
    return '{"deep":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def test_inline_attachment_is_refused_with_advice(couch: Couch) -> None:
    document = {"_attachments": {"a.txt": {"content_type": "text/plain", "data": "aGVsbG8="}}}

    answers = [couch.put("/docs/one", document), couch.post("/docs/_bulk_docs", {"docs": [{"_id": "one", **document}]})]

    for answer in answers:
        assert (answer.status, answer.json["error"]) == (400, "bad_request")
        assert "keeps no attachments: leave _attachments out" in answer.json["reason"]
    assert couch.get("/docs/one").status == 404


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 1000])
def test_fields_nested_too_deep(couch: Couch, levels: int) -> None:
    answers = [
        couch.put("/docs/deep", raw=nested(levels)),
        couch.send("POST", "/docs/_bulk_docs", raw=f'{{"docs":[{{"_id":"good"}},{nested(levels)}]}}'),
    ]

    for answer in answers:
        assert (answer.status, answer.json["error"]) == (400, "bad_request")
        assert "at most" in answer.json["reason"]
    assert couch.get("/docs/good").status == 404, "nothing of a request that is refused is written"


def test_deepest_fields_come_back(couch: Couch) -> None:
    written = couch.send("POST", "/docs/_bulk_docs", raw=f'{{"docs":[{nested(MAX_DEPTH)}]}}')

    assert written.status == 201
    read = couch.get(f"/docs/{written.json[0]['id']}")
    assert read.body.decode().count("[") == MAX_DEPTH - 1
