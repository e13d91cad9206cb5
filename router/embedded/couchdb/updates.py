"""`_db_updates`: the changes of `_global_changes` as events.

It differs from `_changes` to a follower's disadvantage: nothing is sent, not even a status line, before
the first byte of data; a heartbeat after a row comes late; there is no `pending`.
"""

import time

import orjson

from router.embedded.couchdb.announcer import GLOBAL_CHANGES
from router.embedded.couchdb.changes import ChangesReader
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.errors import bad_request, method_not_allowed
from router.embedded.couchdb.etags import info_etag
from router.embedded.couchdb.feeds import MAX_WAIT_SECONDS, NO_LIMIT, FeedOptions, wait
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.store import Row
from router.embedded.couchdb.wire import Request, Responder

_KINDS = ("normal", "longpoll", "continuous")


def db_updates(node: Node, request: Request, out: Responder) -> None:
    """`GET /_db_updates`."""
    if request.verb != "GET":
        raise method_not_allowed("GET")
    options = _options(request)
    database = node.databases.get(GLOBAL_CHANGES)
    reader = node.reader(database, request.query.get("since", "0"))
    pulse = _Pulse(node, database, reader, out, options)
    if options.kind == "continuous":
        out.start()
        _continuous(reader, database, out, options, pulse)
        return
    etag = info_etag(node.info(database))
    if options.kind == "normal" and request.matches(etag):
        out.send(304, b"", {"Etag": etag})
        return
    out.start({"Etag": etag} if options.kind == "normal" else None)
    _listed(reader, database, out, options, pulse)


def _options(request: Request) -> FeedOptions:
    kind = request.query.get("feed", "normal")
    if kind not in _KINDS:
        raise bad_request("Supported `feed` types: normal, continuous, longpoll, eventsource")
    limit = _integer(request, "limit")
    heartbeat = request.query.get("heartbeat", "false")
    if heartbeat == "false":
        timeout = _integer(request, "timeout")
        seconds = MAX_WAIT_SECONDS if timeout is None else min(timeout / 1000, MAX_WAIT_SECONDS)
        return FeedOptions(kind, NO_LIMIT if limit is None else limit, seconds, heartbeat=False)
    interval = None if heartbeat == "true" else _integer(request, "heartbeat")
    seconds = MAX_WAIT_SECONDS if interval is None else min(interval / 1000, MAX_WAIT_SECONDS)
    return FeedOptions(kind, NO_LIMIT if limit is None else limit, seconds, heartbeat=True)


def _integer(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise bad_request("invalid_integer")
    return int(text)


def _row(sequence: str, identity: str, _row: Row) -> bytes | None:
    kind, colon, name = identity.partition(":")
    if not colon:
        return None
    return b'{"db_name":%b,"type":%b,"seq":"%b"}' % (
        orjson.dumps(name),
        orjson.dumps(kind),
        sequence.encode(),
    )


class _Pulse:
    """Waits for events and sends heartbeats, one of which is skipped after each batch of rows."""

    def __init__(
        self, node: Node, database: Database, reader: ChangesReader, out: Responder, options: FeedOptions
    ) -> None:
        self._node = node
        self._database = database
        self._reader = reader
        self._out = out
        self._options = options
        self._skip = False

    def rows_sent(self) -> None:
        """Skip the next heartbeat: CouchDB's timer was started a moment before it sent these rows."""
        self._skip = True

    def wait_for_more(self, seen: int) -> bool:
        """Wait for an event after version `seen`, or a heartbeat; return False when the feed is over."""
        until = time.monotonic() + self._options.wait_seconds
        woken = wait(self._node, self._database, seen, until)
        if self._reader.over or self._database.dropped:
            return False
        if woken:
            return True
        if not self._options.heartbeat:
            return False
        if not self._skip:
            self._out.write(b"\n")
            self._out.flush()
        self._skip = False
        return True


def _continuous(reader: ChangesReader, database: Database, out: Responder, options: FeedOptions, pulse: _Pulse) -> None:
    limit = options.limit
    while limit > 0:
        seen = database.version
        count = 0
        for line in reader.lines(_row, limit):
            out.write(line + b"\n")
            count += 1
        if count:
            out.flush()
            pulse.rows_sent()
            limit -= count
        if limit <= 0 or not pulse.wait_for_more(seen):
            break
    out.write(b'{"last_seq":"%b"}\n' % reader.sequence().encode())
    out.end()


def _listed(reader: ChangesReader, database: Database, out: Responder, options: FeedOptions, pulse: _Pulse) -> None:
    out.write(b'{"results":[\n')
    count = 0
    while True:
        seen = database.version
        for line in reader.lines(_row, options.limit):
            out.write(b",\r\n" + line if count else line)
            count += 1
        if options.kind == "normal" or count or not pulse.wait_for_more(seen):
            break
    out.write(b'\n],\n"last_seq":"%b"}\n' % reader.sequence().encode())
    out.end()
