"""SIP over UDP and TCP, inside one event loop."""

import asyncio
import re
import socket
import time
from collections.abc import Sequence

from router.server.calls.datagrams import Datagram, DatagramSocket
from router.server.calls.sip.message import MAX_MESSAGE, head_end, unfolded
from router.server.calls.sip.responder import Address, Message, SipResponder
from router.server.calls.source_address import SourceFilter
from router.server.calls.streams import StreamConnection, StreamTurns
from router.server.observation.observation import Drop

_PING, _PONG = b"\r\n\r\n", b"\r\n"
"""Keep-alive messages over TCP (RFC 5626 4.4.1)."""
_LINE_BREAKS = re.compile(rb"[\r\n]+")
_MAX_AMPLIFICATION = 2
"""A response over UDP is at most so many times as long as its request: sources can be forged."""
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


class SipConnection(StreamConnection):
    """Answers the messages of one TCP connection (18.3)."""

    def __init__(self, responder: SipResponder, turns: StreamTurns) -> None:
        super().__init__(turns)
        self._responder = responder
        self._sources = turns.sources
        self._drop = turns.drop
        self._length = 0
        """Bytes of the message that is being read; 0 while its header fields are not whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection where its caller may ask."""
        super().connection_made(transport)
        if not transport.is_closing() and not self._sources.is_allowed(self._source[0]):
            self._drop("not_allowed")
            self._transport.abort()

    def frame(self, buffer: bytes, at: int) -> tuple[bytes | None, int]:
        """Read a message as long as its Content-Length says."""
        if not self._length:
            at = self._skip_line_breaks(buffer, at)
            head = head_end(buffer, at) - at
            length = body_length(buffer[at : at + head]) if head > 0 else 0
            if length is None or max(len(buffer) - at if head < 0 else 0, head + (length or 0)) > MAX_MESSAGE:
                self.end()  # where the next message begins is not known
                return (buffer[at:] if head > 0 else None), len(buffer)
            if head < 0:
                return None, at
            self._length = head + length
        end = at + self._length
        if end > len(buffer):
            return None, at
        self._length = 0
        return buffer[at:end], end

    def _skip_line_breaks(self, buffer: bytes, at: int) -> int:
        """Return where a message begins behind line breaks, and answer each keep-alive among them."""
        breaks = _LINE_BREAKS.match(buffer, at)
        if breaks is None:
            return at
        *pings, behind = breaks[0].split(_PING)
        if pings:
            self.write(_PONG * len(pings))
            self.touch()
        if breaks.end() < len(buffer):
            return breaks.end()
        return len(buffer) - _begun_ping(behind)

    def answer(self, messages: list[bytes]) -> bool:
        """Answer messages together. An ACK has no response, and does not count."""
        address, now = self._source[0], time.monotonic()
        asked = [
            Message(data, self._source, self._reply, self._sources.admit(address, now), self.wait_for)
            for data in messages
            if not data.startswith(_ACK)
        ]
        self._responder.handle(asked)
        return all(message.admitted for message in asked)

    def _reply(self, _message: Message, response: bytes, _to: Address) -> None:
        self.write(response)


def _begun_ping(line_breaks: bytes) -> int:
    """Return how many of the last bytes may be the beginning of a keep-alive."""
    longest = min(len(line_breaks), len(_PING) - 1)
    return next((size for size in range(longest, 0, -1) if line_breaks.endswith(_PING[:size])), 0)


def body_length(head: bytes) -> int | None:
    """Return Content-Length; 0 where there is none, None where it can't be read."""
    for line in unfolded(head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in {_LENGTH, _COMPACT_LENGTH}:
            text = value.strip()
            return int(text) if text.isdigit() and len(text) <= 9 else None  # noqa: PLR2004 - MAX_MESSAGE has 5
    return 0
