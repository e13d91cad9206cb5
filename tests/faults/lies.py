"""CouchDB's feeds as they must not be trusted: what really happens, told too little, too often or too late.

A lie is told to whoever asks for a feed while it is on. The request goes to the server on a connection of its own, and
what comes back is understood (chunks, lines, rows), bent, and passed on. A feed that outlives its lie is honest from
then on, but takes nothing back.
"""

import json
import random
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from http.client import HTTPResponse
from typing import Any

_ALL = 10_000
"""Rows remembered of a feed, to be told again."""
_LOST = 0.7
"""The share of updates that never arrive."""
_SINCE = re.compile(rb"([?&]since=)[^& ]*")


class Lie(StrEnum):
    """A false answer."""

    LOSES = "updates lost"
    """`_db_updates` leaves most events out, and nothing ever makes up for them."""
    REPEATS = "updates repeated"
    """`_db_updates` tells each event twice, with older ones between."""
    REORDERS = "updates out of order"
    """`_db_updates` holds events back and tells them in another order."""
    DELETED = "updates say deleted"
    """`_db_updates` says of each database that something happens to that it was deleted."""
    REPLAYS = "changes from the start"
    """`_changes` begins at the beginning, wherever it was asked to go on."""
    AGAIN = "changes repeated"
    """`_changes` tells each row twice, after older ones with the documents of then."""


ABOUT_UPDATES = frozenset({Lie.LOSES, Lie.REPEATS, Lie.REORDERS, Lie.DELETED})


def is_reported_to(lie: Lie, request: bytes) -> bool:
    """Return whether a request (its first bytes) is for the feed that the lie is about."""
    line = request.partition(b"\r\n")[0]
    return (b"/_db_updates" if lie in ABOUT_UPDATES else b"/_changes") in line


def tell(
    lie: Lie,
    request: bytes,
    client: socket.socket,
    server: tuple[str, int],
    chance: random.Random,
    is_on: Callable[[], bool],
) -> None:
    """Ask a server, and pass its answer on to the client as the lie has it, to its end.

    Args:
        request: a whole one, without a body.
        server: host and port.
        is_on: false as soon as the truth is to be told again.

    Raises:
        OSError: either side hung up.
    """
    with socket.create_connection(server, timeout=5) as asked:
        asked.settimeout(None)
        asked.sendall(_as_asked(lie, request))
        answer = HTTPResponse(asked)
        answer.begin()
        liar = _Liar(lie, chance, is_on)
        if b"feed=continuous" in request:
            client.sendall(_head(answer, {"Transfer-Encoding": "chunked"}))
            for line in liar.lines(iter(answer.readline, b"")):
                client.sendall(b"%x\r\n%b\r\n" % (len(line), line))
            client.sendall(b"0\r\n\r\n")
        else:
            body = liar.page(answer.read())
            client.sendall(_head(answer, {"Content-Length": str(len(body))}) + body)


class _Liar:
    """Bends one answer."""

    def __init__(self, lie: Lie, chance: random.Random, is_on: Callable[[], bool]) -> None:
        self._lie = lie
        self._chance = chance
        self._is_on = is_on
        self._reported: deque[bytes] = deque(maxlen=_ALL)
        self._held: list[bytes] = []

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """A continuous feed's lines; empty ones are heartbeats."""
        for line in lines:
            if not self._is_on() or not line.strip() or b'"last_seq"' in line:
                yield from self._released()
                yield line
            else:
                yield from self._bent(line)
                self._reported.append(line)

    def page(self, body: bytes) -> bytes:
        """The rows of an answer that comes as a whole."""
        try:
            answer: Any = json.loads(body)
            rows = [json.dumps(row).encode() for row in answer["results"]]
        except (ValueError, KeyError, TypeError):
            return body
        bent = [json.loads(line) for line in self.lines([*rows, b""]) if line]
        return json.dumps({**answer, "results": bent}).encode()

    def _bent(self, line: bytes) -> Iterator[bytes]:
        if self._lie is Lie.LOSES:
            if self._chance.random() >= _LOST:
                yield line
        elif self._lie is Lie.DELETED:
            yield re.sub(rb'"type":\s*"\w+"', b'"type":"deleted"', line)
        elif self._lie is Lie.REORDERS:
            self._held.append(line)
            if self._chance.random() < 1 / len(SOME):
                yield from self._released()
        elif self._lie is Lie.REPLAYS:
            yield line
        else:
            yield from self._chance.sample(self._reported, min(len(self._reported), self._chance.choice(SOME)))
            yield line
            yield line

    def _released(self) -> Iterator[bytes]:
        self._chance.shuffle(self._held)
        held, self._held = self._held, []
        yield from held


SOME = (0, 1, 2, 3)


def _as_asked(lie: Lie, request: bytes) -> bytes:
    head = _SINCE.sub(rb"\g<1>0", request, count=1) if lie is Lie.REPLAYS else request
    return re.sub(rb"(?i)\r\n(connection|accept-encoding):[^\r]*", b"", head).replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1
    )


def _head(answer: HTTPResponse, framing: Mapping[str, str]) -> bytes:
    dropped = {"transfer-encoding", "content-length", "connection", "etag"}
    kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
    lines = [f"{name}: {value}" for name, value in [*kept, *framing.items(), ("Connection", "close")]]
    return "\r\n".join([f"HTTP/1.1 {answer.status} {answer.reason}", *lines, "", ""]).encode("latin-1")
