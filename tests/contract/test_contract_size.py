"""Sizes met in practice: tens of thousands of documents, thousands of databases."""

import random
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database
from tests.contract.topology import Topology

DOCUMENTS = 50_000
BODY = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": "a" * 32}


@pytest.fixture
def documents(topology: Topology) -> int:
    return DOCUMENTS if topology.real or not topology.is_cluster else DOCUMENTS // 10


@pytest.fixture
def large(new_database: Callable[[], Database], documents: int) -> Database:
    database = new_database()
    for start in range(0, documents, 1000):
        outcomes = database.bulk([{"_id": f"+1415{n:07}", **BODY} for n in range(start, start + 1000)])
        assert all(outcome["ok"] for outcome in outcomes)
    return database


def test_fifty_thousand_documents(large: Database, documents: int) -> None:
    assert large.info()["doc_count"] == documents
    with large.feed("feed=continuous&timeout=100&include_docs=true") as feed:
        *rows, ending = feed.rest()
    assert len({row["id"] for row in rows}) == documents
    assert rows[0]["doc"]["pvt_assigned_to"] == "a" * 32
    assert ending == {"last_seq": rows[-1]["seq"], "pending": 0}
    listed = large.couch.get(f"{large.path}/_all_docs").json
    assert (listed["total_rows"], len(listed["rows"])) == (documents, documents)
    middle = quote(f'"+1415{documents // 2:07}"', safe="")
    page = large.couch.get(f"{large.path}/_all_docs?start_key={middle}&limit=2").json
    assert (page["offset"], page["rows"][0]["id"]) == (documents // 2, f"+1415{documents // 2:07}")
    # from the middle of the feed only the rest comes
    rest = large.changes(f"since={rows[documents // 2 - 1]['seq']}")["results"]
    assert len(rest) == documents // 2


@pytest.fixture
def many(own_server: EmbeddedCouchDB) -> Iterator[Couch]:
    couch = Couch(own_server.url)
    for n in range(1000):
        assert couch.put(f"/numbers%2F%2B{n:05}").status == 201
    yield couch
    couch.close()


def test_dbs_info_lists_a_thousand_databases(many: Couch) -> None:
    began = time.monotonic()
    infos = many.get("/_dbs_info?start_key=%22numbers%22").json
    assert time.monotonic() - began < 2
    assert [row["key"] for row in infos] == [f"numbers/+{n:05}" for n in range(1000)]
    name = f"numbers%2F%2B{random.randrange(1000):05}"
    assert many.get(f"/{name}").json["doc_count"] == 0
