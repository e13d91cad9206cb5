"""An ASGI application on an address of its own, in a thread, with few connections: uvicorn frames HTTP.

uvicorn's own server accepts any number of connections, and counts one only when its TLS handshake is over. So the
connections are accepted here: the certificate is the one of the moment, and the oldest connection leaves for a new one.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from router.runtime.addresses import Address
from router.runtime.event_loop_thread import EventLoopThread
from router.runtime.http_server import http_config, listen
from router.server.auth.tls_files import Certificates

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
_BACKLOG = 128
_LIFETIME = 10.0
"""Seconds that a connection may last: one request, whose response takes the workers' deadline of 2 s at most."""
_LAST_RESPONSES = 0.5
"""Seconds at the end for responses that are under way."""
_ACCEPT_BACKOFF = 0.1
"""Seconds between two tries where no connection can be accepted, such as for want of file descriptors."""


class _ShortLived(HttpToolsProtocol):
    """A connection that ends after its time."""

    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._end = self.loop.call_later(_LIFETIME, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)


class Listener:
    """Serves an application from `start` until `stop`.

    Args:
        name: of the thread.
        app: an ASGI application; it closes each connection after its response.
        certificates: for TLS; None for none.
    """

    def __init__(self, name: str, app: Any, certificates: Certificates | None) -> None:
        self._app = app
        self._certificates = certificates
        self._state = ServerState()
        self._open: dict[socket.socket, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = EventLoopThread(name, self._serve)
        self._loop = self._thread.loop
        self._listening: socket.socket | None = None

    @property
    def port(self) -> int:
        """The bound port; 0 before `start`."""
        return 0 if self._listening is None else int(self._listening.getsockname()[1])

    def start(self, address: Address) -> None:
        """Listen.

        Raises:
            OSError: the address can't be listened on.
        """
        self._listening = listen(address, _BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._thread.stop(_LAST_RESPONSES + 1)

    async def _serve(self) -> None:
        assert self._listening is not None  # noqa: S101 - set before the thread starts
        config = http_config(self._app, _ShortLived)
        config.load()
        accepting = asyncio.create_task(self._accept(self._listening, config))
        await self._thread.stopped.wait()
        accepting.cancel()
        self._listening.close()
        await self._end()

    async def _accept(self, listening: socket.socket, config: uvicorn.Config) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listening)
            except OSError as problem:
                log.debug("no connection can be accepted: error=%s", problem)
                await asyncio.sleep(_ACCEPT_BACKOFF)
                continue
            self._make_room()
            self._open[connection] = None
            task = asyncio.create_task(self._connect(connection, config))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _make_room(self) -> None:
        """Close the oldest connection where there are too many.

        Pages are served within milliseconds: where too many connections are open, the oldest one has sent no request.
        """
        self._open = {each: None for each in self._open if each.fileno() >= 0}
        while len(self._open) >= MAX_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)  # below TLS, whose end would wait for the caller

    async def _connect(self, connection: socket.socket, config: uvicorn.Config) -> None:
        def protocol() -> HttpToolsProtocol:
            return _ShortLived(config=config, server_state=self._state, app_state={}, _loop=self._loop)

        context: ssl.SSLContext | None = None if self._certificates is None else self._certificates.context
        try:
            await self._loop.connect_accepted_socket(
                protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else _LIFETIME,
            )
        except (OSError, TimeoutError):  # a caller that hangs up or speaks no TLS
            connection.close()

    async def _end(self) -> None:
        """Finish the responses that are under way, then close every connection."""
        for connection in list(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_RESPONSES):
                while self._state.tasks:
                    await asyncio.sleep(0.01)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in [*self._tasks, *self._state.tasks]:
            task.cancel()
        await asyncio.sleep(0)
