"""An HTTP relay in front of CouchDB that counts requests, and holds them back when told to."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import unquote, urlsplit, urlunsplit

Wanted = Callable[[str, str], bool]
"""Selects requests by their method and their decoded path with its query."""


class Relay:
    """Listens on a port of its own and passes on to one server.

    Attributes:
        seen: method and decoded target of every request, in the order of their coming.
    """

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._held: Wanted = lambda *_: False
        self._cut: Wanted = lambda *_: False
        self.seen: list[tuple[str, str]] = []
        self._open.set()

    @property
    def url(self) -> str:
        """The server's URL by way of this relay."""
        credentials = self._to.netloc.rpartition("@")[0]
        return urlunsplit(self._to._replace(netloc=f"{credentials}@127.0.0.1:{self._listener.getsockname()[1]}"))

    def hold(self, wanted: Wanted = lambda *_: True) -> None:
        """Keep requests back from now on; their callers wait."""
        self._held = wanted
        self._open.clear()

    def release(self) -> None:
        """Pass everything on."""
        self._open.set()

    def cut(self, wanted: Wanted = lambda *_: True) -> None:
        """Hang up on requests from now on, before the server hears of them."""
        self._cut = wanted

    def count(self, pattern: str) -> int:
        """Return the count of requests with such a "METHOD /target"."""
        with self._lock:
            return sum(re.search(pattern, f"{method} {target}") is not None for method, target in self.seen)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept` in its thread, which closing alone would not
        self._listener.close()
        for connection in list(self._connections):
            _hang_up(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._connections.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        try:
            with client.makefile("rb") as stream, contextlib.suppress(OSError, ValueError):
                server = socket.create_connection((self._to.hostname or "", self._to.port or 80))
                self._connections.append(server)
                threading.Thread(target=_pour, args=(server, client), daemon=True).start()
                while request := self._request(stream):
                    server.sendall(request)
        finally:
            for end in (client, server):
                if end is not None:
                    _hang_up(end)

    def _request(self, stream: BinaryIO) -> bytes:
        head = b""
        length = 0
        while (line := stream.readline()) not in {b"\r\n", b""}:
            head += line
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not head:
            return b""
        method, target = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]
        target = unquote(target)
        with self._lock:
            self.seen.append((method, target))
        if not self._open.is_set() and self._held(method, target):
            self._open.wait(60)
        if self._cut(method, target):
            return b""
        return head + b"\r\n" + stream.read(length)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _hang_up(sink)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
