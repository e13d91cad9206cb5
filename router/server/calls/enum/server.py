"""DNS over UDP and TCP, inside one event loop."""

import asyncio
import socket
import time
from collections.abc import Sequence

from router.server.calls.datagrams import Datagram, DatagramSocket
from router.server.calls.enum.responder import Asker, EnumResponder
from router.server.calls.source_address import SourceFilter
from router.server.calls.streams import StreamConnection, StreamTurns

_LENGTH = 2


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


class EnumConnection(StreamConnection):
    """Answers the queries of one TCP connection, as many as it sends at a time (RFC 7766)."""

    def __init__(self, responder: EnumResponder, turns: StreamTurns) -> None:
        super().__init__(turns)
        self._responder = responder
        self._sources = turns.sources
        self._askers: dict[bool, Asker] = {}
        """The caller, by whether it may ask now."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; queries of a caller that may not ask are refused."""
        super().connection_made(transport)
        address = self._source[0]
        allowed = self._sources.is_allowed(address)
        for admitted in (True, False):
            self._askers[admitted] = Asker(
                address, None, self._send, allowed, admitted, tcp=True, wait_for=self.wait_for
            )

    def frame(self, buffer: bytes, at: int) -> tuple[bytes | None, int]:
        """Read a message behind its length (RFC 1035 4.2.2)."""
        begin = at + _LENGTH
        end = begin + int.from_bytes(buffer[at:begin], "big")
        return (buffer[begin:end], end) if begin <= len(buffer) >= end else (None, at)

    def answer(self, messages: list[bytes]) -> bool:
        """Answer queries together."""
        address, now = self._source[0], time.monotonic()
        admitted = [self._sources.admit(address, now) for _ in messages]
        self._responder.handle([(data, self._askers[each]) for data, each in zip(messages, admitted, strict=True)])
        return all(admitted)

    def _send(self, response: bytes, _: object) -> None:
        self.write(len(response).to_bytes(_LENGTH, "big") + response)
