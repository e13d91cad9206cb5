"""CouchDB's answers and its error bodies, and those of whatever else listens at its address.

Each is read as what it says, or is one of `router.couch.errors`; none takes the password elsewhere, or into a message.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from tests.fuzz.canned import Pool
from tests.fuzz.source import Source
from tests.fuzz.target import Target

SECRET = "hunter2-s3cret"
_COUCH = CouchClient(f"http://admin:{SECRET}@couchdb.test:5984", timeout=1.0)
_ONE, _TWO = "+14158867900", "+14158867901"
_NAME = "numbers/+1415"
_PAGES = 3
_STATUSES = (
    200,
    201,
    202,
    301,
    302,
    303,
    304,
    307,
    400,
    401,
    403,
    404,
    405,
    409,
    412,
    413,
    416,
    429,
    500,
    503,
    204,
    100,
)
_TYPES = (b"application/json", b"text/html", b"text/plain;charset=utf-8", b"")
_HEADERS = (
    b"",
    b"Location: http://elsewhere.test/x\r\n",
    b"Location: /other\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"ETag: 1\r\n",
)


def _is_ours(found: Mapping[str, Any], *asked: str) -> None:
    assert found.keys() <= set(asked)
    for identifier, document in found.items():
        assert document is None or document["_id"] == identifier, "another document's account answers for it"


def _document(databases: CouchServer) -> None:
    assert databases.database(_NAME).get(_ONE)["_id"] == _ONE


def _documents(databases: CouchServer) -> None:
    found = databases.database(_NAME).get_many([_ONE, _TWO])
    assert len(found) == 2
    _is_ours(found, _ONE, _TWO)


def _changes(databases: CouchServer) -> None:
    page = databases.database(_NAME).changes("0", 10)
    assert page.last_seq not in ("", "None")
    assert page.pending == int(page.pending)
    for change in page.changes:
        assert change.document is None or change.document["_id"] == change.id


ASKS: tuple[Callable[[CouchServer], object], ...] = (
    _document,
    _documents,
    _changes,
    lambda databases: _is_ours(
        databases.database(_NAME).get_current([_ONE]), *databases.database(_NAME).get_current([_ONE])
    ),
    lambda databases: databases.database(_NAME).losing_leaves([_ONE]),
    lambda databases: databases.database(_NAME).get_latest([_ONE, _TWO]),
    lambda databases: list(islice(databases.database(_NAME).all_documents(2), _PAGES)),
    lambda databases: list(islice(databases.database(_NAME).revisions_since("0", 2), _PAGES)),
    lambda databases: databases.version(),
    lambda databases: databases.names("numbers/"),
    lambda databases: databases.database(_NAME).info(),
    lambda databases: databases.infos([_NAME]),
    lambda databases: databases.database(_NAME).current_sequence(),
    lambda databases: databases.updates_now(),
    lambda databases: databases.database(_NAME).put({"_id": _ONE}),
    lambda databases: databases.database(_NAME).delete(_ONE, "1-a"),
    lambda databases: databases.database(_NAME).put_many([{"_id": _ONE}]),
    lambda databases: databases.database(_NAME).create(),
)


def check(data: bytes) -> None:
    """Check a request with a response: a well-formed one with any body, or any bytes at all."""
    source = Source(data)
    ask = source.pick(ASKS)
    status, kind, header = source.pick(_STATUSES), source.byte() % (len(_TYPES) + 1), source.pick(_HEADERS)
    rest = source.rest()
    if kind == len(_TYPES):
        answer = rest
    else:
        answer = b"HTTP/1.1 %d X\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
            status,
            _TYPES[kind],
            header,
            len(rest),
            rest,
        )
    pool = Pool("couchdb.test:5984", answer, 8)
    session = next(iter(_COUCH._resources.values())).session
    session.connection_pool = pool
    session.perm_redirects.clear()
    _COUCH.gate._proven, _COUCH.gate._refused_until = True, 0.0  # another server's input
    try:
        ask(CouchServer(_COUCH))
    except CouchError as problem:
        assert SECRET not in f"{problem}{problem!r}"
    assert not pool.strayed, "the password goes to nobody else"


TARGET = Target(
    "couch_answers",
    check,
    dictionary=(
        '{"error":"not_found","reason":"missing"}',
        '{"error":"unauthorized","reason":"Name or password is incorrect."}',
        (
            '{"rows":[{"id":"+14158867900","key":"+14158867900","value":{"rev":"1-a"},"doc":{"_id":"+14158867900"}},'
            '{"key":"+14158867901","error":"not_found"}]}'
        ),
        '{"results":[{"seq":"1-a","id":"a","changes":[{"rev":"1-a"}],"doc":{"_id":"a"}}],"last_seq":"1-a","pending":0}',
        '{"results":[{"id":"+14158867900","docs":[{"ok":{"_id":"+14158867900","_rev":"1-a"}}]}]}',
        '"docs":[{"error":{"error":"not_found"}}]',
        '{"_id":"+14158867900","_rev":"1-a"}',
        '[{"key":"numbers/+1415","info":{"instance_start_time":"1","update_seq":"1-a","purge_seq":"0","doc_count":1}}]',
        '{"couchdb":"Welcome","version":"3.5.0"}',
        '{"ok":true,"id":"a","rev":"1-a"}',
        '"deleted":true',
        '"_deleted":true',
        "HTTP/1.1 200 OK\r\n",
        "Content-Length: ",
        "Content-Type: application/json\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Location: ",
    ),
    longest=1500,
)
