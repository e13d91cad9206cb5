"""SIP over UDP and TCP, inside one event loop."""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from typing import Any

from router.server.calls.datagrams import Datagram, DatagramSocket
from router.server.calls.sip.message import MAX_MESSAGE, head_end
from router.server.calls.sip.responder import Address, Message, SipResponder
from router.server.calls.source_address import SourceFilter
from router.server.observation.observation import Drop

log = logging.getLogger(__name__)

_PING, _PONG = b"\r\n\r\n", b"\r\n"
"""Keep-alive messages over TCP (RFC 5626 4.4.1)."""
_BREAKS = (b"\r", b"\n")
_MAX_AMPLIFICATION = 2
"""A response over UDP is at most so many times as long as its request: sources can be forged."""
_MAX_CONNECTIONS = 1000
_ACK = b"ACK "
_LENGTH = b"content-length"
_COMPACT_LENGTH = b"l"


class SipDatagrams:
    """Answers datagrams of allowed sources."""

    def __init__(self, bound: socket.socket, responder: SipResponder, sources: SourceFilter, drop: Drop) -> None:
        self.socket = DatagramSocket(bound, self._receive)
        self._responder = responder
        self._sources = sources
        self._drop = drop

    def _receive(self, batch: Sequence[Datagram]) -> None:
        """Answer what may be answered. An ACK never is, and is as frequent as an INVITE."""
        now, reply, admits = time.monotonic(), self._reply, self._admits
        self._responder.handle(
            [
                Message(data, source[:2], reply)
                for data, source in batch
                if not data.startswith(_ACK) and admits(source[0], now)
            ]
        )

    def _admits(self, host: str, now: float) -> bool:
        if not self._sources.is_allowed(host):
            self._drop("not_allowed")
        elif not self._sources.admit(host, now):
            self._drop("rate_limited")
        else:
            return True
        return False

    def _reply(self, message: Message, response: bytes, to: Address) -> None:
        bounded = len(response) <= len(message.data) * _MAX_AMPLIFICATION
        if not (bounded and self._sources.is_allowed(to[0]) and self.socket.send(response, to)):
            self._drop("not_sent")


class SipConnection(asyncio.Protocol):
    """Answers the messages of one TCP connection, in whatever pieces they come (18.3)."""

    _open = 0

    def __init__(self, responder: SipResponder, sources: SourceFilter, drop: Drop) -> None:
        self._responder = responder
        self._sources = sources
        self._drop = drop
        self._transport: Any = None
        self._source: Address = ("", 0)
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection where its caller may ask."""
        SipConnection._open += 1
        self._transport = transport
        self._source = transport.get_extra_info("peername")[:2]
        if SipConnection._open > _MAX_CONNECTIONS:
            self._abort("too_many_connections")
        elif not self._sources.is_allowed(self._source[0]):
            self._abort("not_allowed")

    def _abort(self, why: str) -> None:
        self._drop(why)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        del exc
        SipConnection._open -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each message that is whole."""
        self._buffer += data
        try:
            while self._next():
                pass
        except Exception:
            log.exception("answering a SIP message failed")
            self._transport.abort()

    def _next(self) -> bool:
        """Take one message from the buffer; return whether there may be another."""
        self._skip_line_breaks()
        body = head_end(self._buffer)
        length = body_length(self._buffer[:body]) if body >= 0 else 0
        if length is None or max(len(self._buffer) if body < 0 else 0, body + (length or 0)) > MAX_MESSAGE:
            self._end(self._buffer)  # where the next message begins is not known
            return False
        if body < 0 or len(self._buffer) < body + length:
            return False
        message, self._buffer = self._buffer[: body + length], self._buffer[body + length :]
        self._answer(message)
        return bool(self._buffer)

    def _skip_line_breaks(self) -> None:
        """Drop line breaks before a message, and answer each keep-alive among them."""
        buffer, at = self._buffer, 0
        while buffer[at : at + 1] in _BREAKS:
            if buffer.startswith(_PING, at):
                self._transport.write(_PONG)
                at += len(_PING)
            elif len(buffer) - at < len(_PING) and _PING.startswith(buffer[at:]):
                break  # the rest of it may come
            else:
                at += 1
        self._buffer = buffer[at:]

    def _end(self, message: bytes) -> None:
        self._buffer = b""
        if head_end(message) >= 0:
            self._answer(message)
        self._transport.close()

    def _answer(self, message: bytes) -> None:
        if not self._sources.admit(self._source[0], time.monotonic()):
            self._drop("rate_limited")
            return
        self._responder.handle([Message(message, self._source, self._write)])

    def _write(self, _message: Message, response: bytes, _to: Address) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def body_length(head: bytes) -> int | None:
    """Return Content-Length; 0 where there is none, None where it can't be read."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in {_LENGTH, _COMPACT_LENGTH}:
            text = value.strip()
            return int(text) if text.isdigit() and len(text) <= 9 else None  # noqa: PLR2004 - MAX_MESSAGE has 5
    return 0
