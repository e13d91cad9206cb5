"""Connections to CouchDB's nodes: a pool of the `couchdb` package whose connections another thread can cut."""

import select
import socket
import weakref
from typing import Any
from urllib.parse import urlsplit

import couchdb.http


class ConnectError(OSError):
    """No connection could be made; nothing was sent."""


class NoCache(couchdb.http.Cache):  # type: ignore[misc]  # the package is untyped
    """Stores nothing. The package caches responses by ETag, which a document that must be fresh gains nothing from."""

    def put(self, url: str, response: Any) -> None:
        """Store nothing."""


class NodeConnections(couchdb.http.ConnectionPool):  # type: ignore[misc]  # the package is untyped
    """A pool that knows its connections in use, so that another thread can cut them.

    Args:
        timeout: seconds for connecting and for each response.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        # Of a pool in a cycle of references the collector may end the sockets first, each with a warning.
        weakref.finalize(self, _close_all, self.conns).atexit = False
        self._in_use: dict[str, weakref.WeakSet[Any]] = {}

    def get(self, url: str) -> Any:
        """Return a connection to the node of a URL.

        Raises:
            ConnectError: the node can't be reached; nothing was sent.
        """
        try:
            connection = super().get(url)
            if _is_dropped(connection):
                connection.close()
                connection.connect()
        except OSError as problem:
            raise ConnectError(*problem.args) from problem
        with self.lock:
            self._in_use.setdefault(urlsplit(url).netloc, weakref.WeakSet()).add(connection)
        return connection

    def release(self, url: str, connection: Any) -> None:
        """Take a connection back."""
        with self.lock:
            self._in_use.get(urlsplit(url).netloc, weakref.WeakSet()).discard(connection)
        super().release(url, connection)

    def cut(self, address: str) -> None:
        """Cut the connections to a node that are in use, from any thread."""
        self._cut(urlsplit(address).netloc)

    def cut_all(self) -> None:
        """Cut every connection in use."""
        for netloc in list(self._in_use):
            self._cut(netloc)

    def _cut(self, netloc: str) -> None:
        with self.lock:
            in_use = list(self._in_use.get(netloc, ()))
        for connection in in_use:
            try:
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already


def _close_all(idle: dict[Any, list[Any]]) -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()


def _is_dropped(connection: Any) -> bool:
    """Return whether the node closed an idle connection: it would not act on a request sent there."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
