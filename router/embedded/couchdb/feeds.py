"""The changes feeds: normal, longpoll and continuous, with CouchDB's newlines, heartbeats and endings.

A client's reader gets these newlines: one when a feed starts to wait, one before each batch of
changes, one a heartbeat. A server that stops or dies sends no ending at all.
"""

import sys
import time
from dataclasses import dataclass

import orjson

from router.embedded.couchdb.changes import ChangesReader, RowWriter
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.wire import Responder

MAX_WAIT_SECONDS = 60.0
NO_LIMIT = sys.maxsize


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """Options of a feed. `wait_seconds` is the heartbeat's interval, or the timeout without a heartbeat."""

    kind: str
    limit: int
    wait_seconds: float
    heartbeat: bool


class StoppedError(ConnectionAbortedError):
    """The server stops: the connection is cut, without an ending."""


def wait(node: Node, database: Database, seen: int, until: float) -> bool:
    """Wait for an event after version `seen`; return False when `until` (monotonic seconds) comes first.

    Raises:
        StoppedError: the server stops.
    """
    with database.changed:
        while database.version == seen and not node.stopping.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return False
            database.changed.wait(left)
    if node.stopping.is_set():
        raise StoppedError("stopping")
    return True


@dataclass(frozen=True, slots=True)
class Feed:
    """One client's feed; its response is started."""

    node: Node
    database: Database
    reader: ChangesReader
    write_row: RowWriter
    out: Responder
    options: FeedOptions

    def normal(self) -> None:
        """Send the existing rows as one JSON object."""
        self.out.write(b'{"results":[\n')
        self._write_listed()
        self._end_object()

    def longpoll(self) -> None:
        """Wait for the first rows, and send them as one JSON object."""
        out = self.out
        out.write(b'{"results":[\n')
        first = True
        while True:
            seen = self.database.version
            if self._write_listed():
                break
            if first:
                out.write(b"\n")
                first = False
            out.flush()
            if not self._wait_for_more(seen):
                break
            out.write(b"\n")
        self._end_object()

    def continuous(self) -> None:
        """Send a line a row until the timeout, the limit of rows, or the database's end."""
        limit, sent = self.options.limit, False
        while limit > 0:
            seen = self.database.version
            for line in self.reader.lines(self.write_row, limit):
                self.out.write(line + b"\n")
                limit, sent = limit - 1, True
            if limit <= 0:
                break
            if not sent:
                self.out.write(b"\n")
                sent = True
            self.out.flush()
            if not self._wait_for_more(seen):
                break
            self.out.write(b"\n")
        ending = {"last_seq": self.reader.sequence(), "pending": self.reader.pending()}
        self.out.write(orjson.dumps(ending) + b"\n")
        self.out.end()

    def _wait_for_more(self, seen: int) -> bool:
        woken = wait(self.node, self.database, seen, time.monotonic() + self.options.wait_seconds)
        if self.reader.over or self.database.dropped:
            return False
        return woken or self.options.heartbeat

    def _write_listed(self) -> int:
        count = 0
        for line in self.reader.lines(self.write_row, self.options.limit):
            self.out.write(b",\r\n" + line if count else line)
            count += 1
        return count

    def _end_object(self) -> None:
        ending = b'\n],\n"last_seq":"%b","pending":%d}\n'
        self.out.write(ending % (self.reader.sequence().encode(), self.reader.pending()))
        self.out.end()
