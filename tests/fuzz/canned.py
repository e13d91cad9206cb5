"""A CouchDB that says what an input says, byte by byte as the input cuts it, without a socket."""

import io
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from typing import Any


class _Pieces(io.RawIOBase):
    """The bytes of a socket, one piece a read."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._left = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            return 0
        taken = self._left[0][: len(buffer)]
        buffer[: len(taken)] = taken
        self._left[0] = self._left[0][len(taken) :]
        if not self._left[0]:
            self._left.pop(0)
        return len(taken)


class Socket:
    """As much of a socket as http.client uses."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self.sent = b""

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_Pieces(self._pieces))

    def sendall(self, octets: bytes) -> None:
        self.sent += octets

    def shutdown(self, _: int) -> None:
        """There is nobody to tell."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


class Pool:
    """Connections that all answer the same; who asks another host than ours is told on.

    Args:
        host: the only one that may be asked.
        answers: connections that there are; then the server is gone.
    """

    def __init__(self, host: str, answer: bytes, answers: int) -> None:
        self._host = host
        self._answer = answer
        self._left = answers
        self.strayed: list[str] = []

    def get(self, url: str) -> HTTPConnection:
        """As couchdb's pool does."""
        host = url.partition("//")[2].partition("/")[0]
        if host != self._host:
            self.strayed.append(url)
        self._left -= 1
        if self._left < 0:
            raise ConnectionRefusedError("the server is gone")
        made = HTTPConnection(self._host)
        made.sock = Socket([self._answer])
        return made

    def release(self, _: str, connection: HTTPConnection) -> None:
        """Each connection answers once."""
        connection.close()


def cut(octets: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Pieces of these sizes, again and again; at least a byte each."""
    at = turn = 0
    while at < len(octets):
        size = max(1, sizes[turn % len(sizes)]) if sizes else len(octets)
        yield octets[at : at + size]
        at, turn = at + size, turn + 1
