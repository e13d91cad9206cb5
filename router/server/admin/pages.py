"""The admin address: HTTP for operators, Prometheus and health checks."""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote

import grpc

from router.runtime.addresses import parse_address
from router.server.auth.authorizer import Authorizer
from router.server.auth.bind_policy import is_loopback
from router.server.auth.tls_files import Certificates
from router.server.auth.tokens import ADMIN
from router.server.failure import Failure

Page = Callable[[str | None], tuple[int, str, bytes]]
"""Takes the caller's `Authorization`; returns a status, a content type and a body."""


class ArgumentPage(Protocol):
    """A page with an argument: the rest of its path, decoded."""

    def __call__(self, authorization: str | None, argument: str) -> tuple[int, str, bytes]:
        """Return a status, a content type and a body."""
        ...


_OPEN_PAGES = ("/healthz", "/readyz")
"""Pages for load balancers; the others require an admin token where there are tokens."""

_STOP_POLL_INTERVAL = 0.05
"""Seconds between two checks of an idle server for its stop."""
_MAX_CONNECTIONS = 64
_HTTP_STATUS = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"


class AdminServer:
    """Serves pages from `start` until `stop`.

    Args:
        address: host:port.
        pages: by path.
        argument_pages: by the path before the argument, which ends in "/".
        authorizer: checks callers; None where pages need no token.
        certificates: for HTTPS, unless the address is a loopback one; None for HTTP.
    """

    def __init__(
        self,
        address: str,
        pages: Mapping[str, Page],
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
        argument_pages: Mapping[str, ArgumentPage] | None = None,
    ) -> None:
        self._address = address
        self._pages = pages
        self._argument_pages = argument_pages or {}
        self._authorizer = authorizer
        self._certificates = None if is_loopback(address) else certificates
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The bound port."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address can't be listened on.
        """
        address = parse_address(self._address)
        find, authorizer = self._find, self._authorizer
        known = "\n".join(sorted([*self._pages, *self._argument_pages]))

        def refusal_of(path: str, authorization: str | None) -> Failure | None:
            if authorizer is None or path in _OPEN_PAGES:
                return None
            return authorizer.refusal(ADMIN, authorization)

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                page = find(path)
                if page is None:
                    self._send(404, TEXT, f"no such page; there are:\n{known}\n".encode())
                    return
                authorization = self.headers.get("Authorization")
                refusal = refusal_of(path, authorization)
                if refusal is None:
                    self._send(*page(authorization))
                else:
                    self._send(_HTTP_STATUS[refusal.code], TEXT, f"{refusal.message}\n".encode())

            def _send(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                if code == HTTPStatus.UNAUTHORIZED:
                    self.send_header("WWW-Authenticate", "Bearer")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        try:
            self._server = _Server(address, Handler, self._certificates)
        except OSError as problem:
            raise OSError(f"can't listen on {self._address} for admin: {problem.strerror}") from None
        threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_INTERVAL,), name="admin", daemon=True
        ).start()

    def _find(self, path: str) -> Page | None:
        if path in self._pages:
            return self._pages[path]
        for prefix, page in self._argument_pages.items():
            if path.startswith(prefix):
                return partial(page, argument=unquote(path.removeprefix(prefix)))
        return None

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Runs a thread for each connection, which also does the TLS handshake, so that a slow caller delays no other.

    Pages are served within milliseconds: where too many connections are open, the oldest one has sent no request.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, certificates: Certificates | None) -> None:
        self._certificates = certificates
        self._connections: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, caller = super().get_request()
        if self._certificates is not None:
            context = self._certificates.context
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, caller

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, and close the oldest connection where there are too many."""
        with self._lock:
            self._connections[request] = None
            if len(self._connections) > _MAX_CONNECTIONS:
                oldest = next(iter(self._connections))
                del self._connections[oldest]
                with contextlib.suppress(OSError):
                    # On the plain socket: closing TLS first would wait for the caller.
                    socket.socket.shutdown(oldest, socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a caller that hangs up or speaks no TLS."""
