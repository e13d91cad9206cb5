"""HTTP: uvicorn in a thread of its own, before an ASGI application.

uvicorn (with httptools, which is llhttp, and uvloop) frames HTTP; docs/decisions/http-library.md says why. It runs
beside the worker's other sources of calls, with an event loop of its own.
"""

import socket
from pathlib import Path
from typing import Any

import uvicorn

from router.runtime.addresses import parse_address
from router.runtime.event_loop_thread import EventLoopThread
from router.runtime.http_server import http_config, listen
from router.server.calls.call_source import AddressInUseError, address_in_use_message
from router.server.calls.connection_limit import ConnectionLimit
from router.server.calls.http_protocol import HttpProtocol

_KEEP_ALIVE = 3600
"""Seconds that a connection may stay without a request. A switch that sends a request in the moment in which its
connection is closed loses that call, so the server is not the one to hang up (OpenSIPS #3544)."""
_BACKLOG = 512


class HttpServer:
    """Serves an ASGI application on some sockets.

    Args:
        limit: of the connections over TCP.

    Attributes:
        loop: in which the application runs.
    """

    def __init__(self, sockets: list[socket.socket], limit: ConnectionLimit) -> None:
        self._thread = EventLoopThread("http", self._serve)
        self.loop = self._thread.loop
        self._sockets = sockets
        self._protocol = type("WorkersHttpProtocol", (HttpProtocol,), {"limit": limit})
        self._server: uvicorn.Server | None = None

    def start(self, app: Any) -> None:
        """Accept requests."""
        config = http_config(app, self._protocol, timeout_keep_alive=_KEEP_ALIVE, backlog=_BACKLOG)
        self._server = uvicorn.Server(config)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Accept no further connection; give running requests `grace` seconds, then close."""
        if self._server is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        self._thread.stop(grace + 2)

    async def _serve(self) -> None:
        assert self._server is not None  # noqa: S101 - set before the thread starts
        await self._server.serve(sockets=self._sockets)


def http_socket(socket_path: Path) -> Path:
    """Return where a worker behind the edge answers HTTP, beside its socket for gRPC."""
    return socket_path.with_suffix(".http")


def open_tcp(address: str, *, reuse_port: bool) -> socket.socket:
    """Listen on host:port.

    Args:
        reuse_port: other workers listen there, too.

    Raises:
        AddressInUseError: the address can't be listened on.
    """
    try:
        return listen(parse_address(address), _BACKLOG, reuse_port=reuse_port)
    except OSError as problem:
        raise AddressInUseError(address_in_use_message(address, problem, "http_listen")) from None


def open_unix(path: Path) -> socket.socket:
    """Listen on a Unix socket; the directory that it is in decides who may connect."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(_BACKLOG)
    listening.settimeout(0)
    return listening
