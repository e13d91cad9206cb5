"""Responses that CouchDB does not give raise an error; none passes for another number's, or a missing, document."""

from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

import orjson
import pytest

from router.couch.changes import ChangesFeed, DatabaseUpdatesFeed
from router.couch.client import CouchClient
from router.couch.errors import BadResponseError, CouchError, CouchUnavailable
from router.couch.open_feed import OpenFeed
from router.couch.responses import Change, parse_change, parse_info
from router.couch.server import CouchServer
from tests.fuzz.canned import Pool, Socket

ONE, TWO = "+14158867900", "+14158867901"
NAME = "numbers/+1415"
ROW = {"seq": "1-a", "id": ONE, "changes": [{"rev": "1-a"}]}


def answering(result: Any, status: int = 200, headers: bytes = b"") -> tuple[CouchServer, Pool]:
    """A client of a server that says this to everything."""
    body = result if isinstance(result, bytes) else orjson.dumps(result)
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    couch = CouchClient("http://admin:s3cret@couchdb.test:5984", timeout=1.0)
    couch.gate._proven = True
    pool = Pool("couchdb.test:5984", head % (status, headers, len(body)) + body, 4)
    next(iter(couch._resources.values())).session.connection_pool = pool
    return CouchServer(couch), pool


@pytest.mark.parametrize("document", [{"_id": TWO, "_rev": "1-a"}, {}, {"_id": None}])
def test_another_document_does_not_answer_for_a_number(document: Any) -> None:
    row = {"key": ONE, "value": {"rev": "1-a"}, "doc": document}
    with pytest.raises(BadResponseError, match="was asked for"):
        answering(document)[0].database(NAME).get(ONE)
    with pytest.raises(BadResponseError, match="was asked for"):
        answering({"rows": [row]})[0].database(NAME).get_many([ONE])
    with pytest.raises(BadResponseError, match="was asked for"):
        answering({"results": [{"id": ONE, "docs": [{"ok": document}]}]})[0].database(NAME).get_current([ONE])
    with pytest.raises(BadResponseError):
        parse_change(ROW | {"doc": document})


@pytest.mark.parametrize(
    "row",
    [
        {"key": TWO, "error": "not_found"},
        {"key": ONE, "error": "timeout"},
        {"key": ONE, "value": {"rev": "1-a"}, "doc": None},
        {"key": ONE, "value": None},
        {"key": ONE, "value": {"rev": 1}},
    ],
)
def test_get_many_unclear_row_is_a_bad_response(row: Any) -> None:
    with pytest.raises(BadResponseError):
        answering({"rows": [row]})[0].database(NAME).get_many([ONE])


def test_get_many_missing_and_deleted_rows_are_none() -> None:
    rows = [{"key": ONE, "error": "not_found"}, {"key": TWO, "value": {"rev": "2-a", "deleted": True}, "doc": None}]
    assert answering({"rows": rows})[0].database(NAME).get_many([ONE, TWO]) == {ONE: None, TWO: None}


@pytest.mark.parametrize(
    "row",
    [
        [],
        "x",
        ROW | {"seq": ["1-a"]},
        ROW | {"seq": ""},
        ROW | {"id": None},
        ROW | {"changes": [{"rev": None}]},
        ROW | {"changes": []},
        ROW | {"changes": {"0": {}}},
    ],
)
def test_row_that_is_none_moves_no_checkpoint(row: Any) -> None:
    with pytest.raises(BadResponseError):
        parse_change(row)
    with pytest.raises(BadResponseError):
        answering({"results": [row], "last_seq": "1-a"})[0].database(NAME).changes("0", 10)


def test_row_without_a_sequence_is_part_of_a_page_alone() -> None:
    row = ROW | {"seq": None}
    with pytest.raises(BadResponseError):
        parse_change(row)
    page = answering({"results": [row], "last_seq": "7-a"})[0].database(NAME).changes("0", 10)
    assert ([each.seq for each in page.changes], page.last_seq) == ([""], "7-a")


@pytest.mark.parametrize("last", [None, {}, "", True])
def test_page_without_a_sequence_moves_no_checkpoint(last: Any) -> None:
    answer = {"results": [], "last_seq": last, "pending": 0}
    asks: list[Callable[[CouchServer], Any]] = [
        lambda databases: databases.database(NAME).changes("0", 10),
        lambda databases: list(databases.database(NAME).revisions_since("0", 10)),
        lambda databases: databases.database(NAME).current_sequence(),
        lambda databases: databases.updates_now(),
    ]
    for ask in asks:
        with pytest.raises(BadResponseError):
            ask(answering(answer)[0])


@pytest.mark.parametrize("result", [[], {"rev": 5}, {}, 1])
def test_write_without_a_revision_is_an_error(result: Any) -> None:
    with pytest.raises(BadResponseError):
        answering(result)[0].database(NAME).put({"_id": ONE})
    with pytest.raises(BadResponseError):
        answering(result)[0].database(NAME).delete(ONE, "1-a")


def test_pages_that_do_not_go_on_are_an_error() -> None:
    rows = [{"id": ONE, "doc": {"_id": ONE}}, {"id": ONE, "doc": {"_id": ONE}}]
    pages = answering({"rows": rows})[0].database(NAME).all_documents(1, after=ONE)
    with pytest.raises(BadResponseError, match="does not go on"):
        list(pages)


@pytest.mark.parametrize("result", [{"doc_count": "many"}, {"doc_count": []}])
def test_count_that_is_none_is_an_error(result: Any) -> None:
    with pytest.raises(BadResponseError, match="no count"):
        answering(result)[0].database(NAME).info()


@pytest.mark.parametrize("status", [301, 302, 303, 307])
@pytest.mark.parametrize("location", [b"http://elsewhere.test/", b"/other", b""])
def test_redirect_is_not_followed_with_the_password(status: int, location: bytes) -> None:
    databases, pool = answering(b"", status, b"Location: %b\r\n" % location if location else b"")
    for _ in range(2):
        with pytest.raises(CouchError):
            databases.database(NAME).get(ONE)
    assert not pool.strayed


def opened(body: bytes) -> OpenFeed:
    """A feed that brings these bytes behind its head."""

    class Body:
        resp = HTTPResponse(
            Socket([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body])  # type: ignore[arg-type]
        )

    Body.resp.begin()
    feed = OpenFeed(1.0)
    feed.attach(Body())
    return feed


def chunk(*lines: Any) -> bytes:
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def test_feeds_garbage_is_an_error_behind_what_came_before() -> None:
    feed = ChangesFeed(CouchClient("http://couchdb.test", timeout=1.0), NAME, "0", 1.0)
    feed._open = opened(chunk(ROW, [1], ROW))
    rows = feed.changes()
    assert next(rows) == Change("1-a", ONE, "1-a", deleted=False, document=None)
    with pytest.raises(BadResponseError):
        next(rows)


@pytest.mark.parametrize("line", [[1], "x", {"type": "updated"}, {"db_name": None}])
def test_update_of_nothing_is_an_error(line: Any) -> None:
    feed = DatabaseUpdatesFeed(CouchClient("http://couchdb.test", timeout=1.0), "now", 1.0)
    feed._open = opened(chunk(line))
    with pytest.raises(BadResponseError):
        next(feed.events())


def test_chunk_of_no_size_is_a_feed_that_is_lost() -> None:
    feed = ChangesFeed(CouchClient("http://couchdb.test", timeout=1.0), NAME, "0", 1.0)
    feed._open = opened(b"f" * 18 + b"\r\nx")
    with pytest.raises(CouchUnavailable):
        next(feed.changes())


def test_purges_are_counted_whatever_copies_the_text_names() -> None:
    texts = ("7-g1AAAAE", "7-g1AAAAF", "7-g1AAAAG")
    infos = [parse_info(NAME, {"instance_start_time": "1", "purge_seq": each, "doc_count": 0}, None) for each in texts]
    assert [each.purges for each in infos] == [7, 7, 7]
