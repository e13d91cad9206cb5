"""Continuous feeds, `_changes` and `_db_updates`: however they are cut, and whatever they say.

A checkpoint moves by the rows that come out of here, so that no row may come out that the feed did not send.
"""

from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPResponse
from typing import Any

import orjson

from router.couch.changes import ChangesFeed, DatabaseEvent, DatabaseUpdatesFeed
from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.open_feed import OpenFeed
from router.couch.responses import Change
from tests.fuzz.canned import Socket, cut
from tests.fuzz.target import Target

_COUCH = CouchClient("http://127.0.0.1:5984", timeout=1.0)
_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
_MOST_CUT = 400
"""Bytes of a body that is also brought a byte at a time."""

Reported = tuple[list[Any], type[Exception] | None]


class _Body:
    """As couchdb hands a feed's response over."""

    def __init__(self, response: HTTPResponse) -> None:
        self.resp = response


def check(data: bytes) -> None:
    """A byte that chooses feed and framing, how many sizes of chunks follow, the sizes, and what the server sends."""
    kind, count = data[0] if data else 0, data[1] % 8 if len(data) > 1 else 0
    sizes, body = list(data[2 : 2 + count]), data[2 + count :]
    if kind & 2:  # the framing itself may be broken
        for pieces in ([body], list(cut(body, sizes))):
            _reported(kind, _HEAD, pieces)
        return
    whole = _reported(kind, _HEAD, [_framed([body])])
    _are_as_sent(whole, body)
    assert _reported(kind, _HEAD, [_framed(list(cut(body, sizes)))]) == whole, "where chunks end makes no difference"
    assert _reported(kind, _HEAD, list(cut(_framed([body]), sizes))) == whole, "nor where reads do"
    if len(body) < _MOST_CUT:
        assert _reported(kind, _HEAD, list(cut(_framed(list(cut(body, [1]))), [1]))) == whole, "nor single bytes"
    if kind & 4 and body:  # the connection is lost
        lost = _framed([body])[: -(1 + kind // 8)]
        rows, problem = _reported(kind, _HEAD, [lost])
        assert rows == whole[0][: len(rows)], "what came before is the same"
        assert problem is not None or whole[1] is None


def _framed(chunks: Sequence[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\n\r\n"


def _reported(kind: int, head: bytes, pieces: Sequence[bytes]) -> Reported:
    """Return what a reader gets, and what ends it."""
    response = HTTPResponse(Socket([head, *pieces]))  # type: ignore[arg-type]
    response.begin()
    opened = OpenFeed(1.0)
    opened.attach(_Body(response))
    reported: list[Any] = []
    try:
        for row in _rows(kind, opened):
            reported.append(row)  # noqa: PERF402 - what came before an error counts
    except CouchError as problem:
        return reported, type(problem)
    return reported, None


def _rows(kind: int, opened: OpenFeed) -> Iterator[Change | DatabaseEvent | None]:
    read: Callable[[], Iterator[Change | DatabaseEvent | None]]
    if kind & 1:
        updates = DatabaseUpdatesFeed(_COUCH, "now", 1.0)
        updates._open, read = opened, updates.events
    else:
        changes = ChangesFeed(_COUCH, "numbers/+1415", "0", 1.0)
        changes._open, read = opened, changes.changes
    return read()


def _are_as_sent(reported: Reported, body: bytes) -> None:
    """Each row is a line, in order, and says what the line says, letter by letter; nothing comes after garbage."""
    lines = [line.strip() for line in body.split(b"\n")[:-1]]
    assert len(reported[0]) <= len(lines)
    for line, row in zip(lines, reported[0], strict=False):
        if row is None:
            assert not line, "a heartbeat is an empty line"
            continue
        sent = orjson.loads(line)
        if isinstance(row, DatabaseEvent):
            assert row.name == sent["db_name"]
            continue
        assert row.id == sent["id"]
        assert row.revision == sent["changes"][0]["rev"]
        assert row.seq == str(sent["seq"])
        assert not isinstance(sent["seq"], dict | list | float | bool | None)
        assert row.deleted == (sent.get("deleted") is True)
        assert row.document is None or (row.document == sent["doc"] and row.document["_id"] == row.id)


TARGET = Target(
    "feeds",
    check,
    dictionary=(
        b"\n",
        b"\r\n",
        b"0\r\n\r\n",
        '{"seq":"1-g1AAAA","id":"+14158867900","changes":[{"rev":"1-a"}],"doc":{"_id":"+14158867900","_rev":"1-a"}}\n',
        '{"seq":2,"id":"a","changes":[{"rev":"2-b"}],"deleted":true}\n',
        '{"db_name":"numbers/+1415","type":"updated","seq":"1-a"}\n',
        '"type":"deleted"',
        '{"last_seq":"3-c","pending":0}\n',
        '"deleted":true',
        '"doc":{"_id":"',
        "null",
        '{"error":"x","reason":"y"}\n',
    ),
    longest=1500,
)
