"""DNS over UDP and TCP, inside one event loop."""

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any

from router.server.calls.datagrams import Datagram, DatagramSocket
from router.server.calls.enum.responder import Asker, EnumResponder
from router.server.calls.source_address import SourceFilter
from router.server.observation.observation import Drop

_LENGTH = 2
_IDLE_TIMEOUT = 10.0
"""Seconds that a TCP connection may stay without a query (RFC 7766 6.2.3)."""
_MAX_CONNECTIONS = 200


class EnumDatagrams:
    """Answers datagrams."""

    def __init__(self, bound: socket.socket, responder: EnumResponder, sources: SourceFilter) -> None:
        self.socket = DatagramSocket(bound, self._receive)
        self._responder = responder
        self._sources = sources

    def _receive(self, batch: Sequence[Datagram]) -> None:
        sources, send, now = self._sources, self.socket.send, time.monotonic()
        messages = []
        for data, source in batch:
            host = source[0]
            asker = Asker(host, source, send, sources.is_allowed(host), sources.admit(host, now), tcp=False)
            messages.append((data, asker))
        self._responder.handle(messages)


class EnumConnection(asyncio.Protocol):
    """Answers the queries of one TCP connection, as many as it sends at a time (RFC 7766)."""

    _open = 0

    def __init__(self, responder: EnumResponder, sources: SourceFilter, drop: Drop) -> None:
        self._responder = responder
        self._sources = sources
        self._drop = drop
        self._transport: Any = None
        self._address = ""
        self._buffer = b""
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection where there is room for it."""
        EnumConnection._open += 1
        self._transport = transport
        self._address = transport.get_extra_info("peername")[0]
        if EnumConnection._open > _MAX_CONNECTIONS:
            self._drop("too_many_connections")
            self._transport.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        del exc
        EnumConnection._open -= 1
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer each query that is whole."""
        self._watch()
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            length = int.from_bytes(self._buffer[:_LENGTH], "big")
            if len(self._buffer) < _LENGTH + length:
                return
            query, self._buffer = self._buffer[_LENGTH : _LENGTH + length], self._buffer[_LENGTH + length :]
            self._answer(query)

    def _answer(self, query: bytes) -> None:
        allowed = self._sources.is_allowed(self._address)
        self._responder.handle([(query, Asker(self._address, None, self._write, allowed, admitted=True, tcp=True))])

    def _write(self, response: bytes, _: object) -> None:
        if not self._transport.is_closing():
            self._transport.write(len(response).to_bytes(_LENGTH, "big") + response)

    def _watch(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_TIMEOUT, self._transport.close)
