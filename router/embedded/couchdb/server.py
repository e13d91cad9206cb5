"""The embedded database's server: sockets and threads around a node."""

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import quote

from router.embedded.couchdb.authentication import Authenticator
from router.embedded.couchdb.errors import ApiError
from router.embedded.couchdb.node import Node, open_node
from router.embedded.couchdb.routes import respond
from router.embedded.couchdb.wire import Request, Responder, Sender, read_request
from router.embedded.data_server import DataServer

_log = logging.getLogger(__name__)
_BACKLOG = 1024
_LOCK_SECONDS = 300.0


class EmbeddedCouchDB(DataServer):
    """A database on loopback that speaks the part of CouchDB 3.5's HTTP API that did-router uses.

    Args:
        port: TCP port on 127.0.0.1; 0 picks a free one, which this object keeps.
        directory: where the data is kept; without one it lives in a temporary directory until `close`, and
            survives `stop` and `start`.
        user: the administrator's name.
        password: the administrator's password.
        lock_seconds: seconds for which five wrong passwords lock the account for an address.
    """

    def __init__(
        self,
        port: int = 0,
        directory: Path | str | None = None,
        user: str = "admin",
        password: str = "password",  # noqa: S107 - loopback only, and documented
        lock_seconds: float = _LOCK_SECONDS,
    ) -> None:
        super().__init__(directory, "did-router-couchdb-")
        self._port = port
        self._user = user
        self._password = password
        self._lock_seconds = lock_seconds
        self._node: Node | None = None
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port it listens on; known once started."""
        return self._port

    @property
    def url(self) -> str:
        """Its base URL, with credentials and without a slash at the end."""
        return f"http://{quote(self._user, safe='')}:{quote(self._password, safe='')}@127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Open the data and listen.

        Raises:
            OSError: the port is taken, or another process has the data open.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        listener = socket.create_server(("127.0.0.1", self._port), backlog=_BACKLOG)
        try:
            self._node = self._open(self._directory, Authenticator(self._user, self._password, self._lock_seconds))
        except BaseException:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="couchdb-accept", daemon=True).start()
        return self

    def stop(self) -> None:
        """Cut every connection, feeds without a last line, and close the data. The server may be started again."""
        if self._listener is None or self._node is None:
            return
        _close_connection(self._listener)
        self._listener = None
        self._node.stopping.set()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _close_connection(connection)
        self._node.stop()
        self._node = None

    def _open(self, directory: Path, authenticator: Authenticator) -> Node:
        return open_node(directory, authenticator)

    def _respond(self, node: Node, request: Request, out: Responder) -> None:
        respond(node, request, out)

    def _outgoing(self, connection: socket.socket) -> Sender:
        """Return the sender of responses."""
        return connection

    def _end_started_response(self, refusal: ApiError, out: Responder) -> bool:  # noqa: ARG002
        """Handle an error in the middle of a response; return False to end the connection."""
        return False

    def _accept(self, listener: socket.socket) -> None:
        node = self._node
        while node is not None and not node.stopping.is_set():
            try:
                connection, address = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(node, connection, address[0]), name="couchdb-client", daemon=True
            ).start()

    def _serve(self, node: Node, connection: socket.socket, peer: str) -> None:
        try:
            with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
                outgoing = self._outgoing(connection)
                while not node.stopping.is_set() and self._serve_one(node, stream, outgoing, peer):
                    pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            _close_connection(connection)

    def _serve_one(self, node: Node, stream: BinaryIO, connection: Sender, peer: str) -> bool:
        """Answer one request; return False when the connection is over."""
        try:
            request = read_request(stream, connection, peer)
        except ApiError as error:
            Responder(connection, None).error(error)
            return False
        if request is None:
            return False
        out = Responder(connection, request)
        return self._answer(node, request, out) and out.keep_alive

    def _answer(self, node: Node, request: Request, out: Responder) -> bool:
        """Send the response; return False when it was cut short, and the connection with it."""
        try:
            self._respond(node, request, out)
        except ApiError as error:
            refusal = error
        except OSError:
            return False  # the client closed the connection, or the server stops
        except Exception:  # noqa: BLE001 - one bad request must not end the connections of other clients
            if node.stopping.is_set():
                return False
            _log.exception("the embedded database failed: method=%s path=%s", request.method, "/".join(request.parts))
            refusal = ApiError(500, "unknown_error", "internal error")
        else:
            return True
        if out.started:
            return self._end_started_response(refusal, out)
        out.error(refusal)
        return True


def _close_connection(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
