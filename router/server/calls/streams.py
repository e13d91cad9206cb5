"""TCP connections of SIP and ENUM: bounded in number, memory and idle time, and answered by turns.

A turn of the event loop takes a bounded number of messages from all connections together. So a connection that sends
without end delays the others, and the datagrams of the same loop, by one turn at most.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, NamedTuple

from router.server.calls.connection_limit import ConnectionLimit
from router.server.calls.source_address import SourceFilter
from router.server.observation.observation import Drop

log = logging.getLogger(__name__)

_TURN_BATCH_SIZE = 64
"""Of all connections together: as many as datagrams of a turn, 1 to 2 ms of work."""
_CONNECTION_BATCH_SIZE = 16
"""Of one connection in a turn, so that a turn has room for four."""
_MAX_IN_FLIGHT = 64
"""Messages of a connection that wait for their lookups; above that no further one is taken."""
_MAX_UNREAD = 64 << 10
"""Bytes of responses that a caller has not read; above that no further message is taken."""
_MAX_UNTAKEN = 64 << 10
"""Bytes of messages that were not taken; above that the connection is not read."""
_FIRST_MESSAGE_TIMEOUT = 10.0
"""Seconds for the first message: callers connect because they have one to send."""
_RATE_BACKOFF = 0.1
"""Seconds without reading for a connection whose address is beyond its rate: refusals cost CPU time, too."""


class StreamLimits(NamedTuple):
    """Limits of the TCP connections of one port.

    Attributes:
        connections: that are open at a time; one more is closed at once.
        of_address: the same, from one address.
        idle: seconds without a message after which a connection is closed.
    """

    connections: int
    of_address: int
    idle: float


class StreamTurns:
    """The connections of one port, and whose turn it is; used inside one event loop.

    Args:
        sources: judges addresses, and how often they may ask over TCP. Datagrams need another one: their source
            addresses can be forged, which must not use up what a connection may ask.
        drop: counts connections that are closed at once, and messages that get no response.
    """

    def __init__(self, limits: StreamLimits, sources: SourceFilter, drop: Drop) -> None:
        self.limits = limits
        self.sources = sources
        self.drop = drop
        self.connections = ConnectionLimit(limits.connections, drop, of_address=limits.of_address)
        self._ready: deque[StreamConnection] = deque()
        self._scheduled = False

    def add(self, connection: "StreamConnection") -> None:
        """Have a connection take its messages in the next turn."""
        self._ready.append(connection)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        room = _TURN_BATCH_SIZE
        for _ in range(len(self._ready)):
            if room <= 0:
                break
            room -= self._ready.popleft().take(min(room, _CONNECTION_BATCH_SIZE))
        self._scheduled = bool(self._ready)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._turn)


class StreamConnection(asyncio.Protocol, ABC):
    """One connection: takes its messages, in whatever pieces they come, when it has its turn by `turns`."""

    def __init__(self, turns: StreamTurns) -> None:
        self._turns = turns
        self._transport: Any = None
        self._source: tuple[str, int] = ("", 0)
        self._buffer = b""
        self._at = 0
        """Where the next message begins in the buffer."""
        self._has_turn = False
        """It is among the turns, or will be after a pause."""
        self._blocked = False
        """It gets its next turn when the caller has read, or a lookup is done."""
        self._in_flight = 0
        self._unread = False
        self._ended = False
        """Nothing is read any more."""
        self._active = 0.0
        self._idle: asyncio.TimerHandle | None = None

    @abstractmethod
    def frame(self, buffer: bytes, at: int) -> tuple[bytes | None, int]:
        """Return the message that begins there, None where it is not whole, and where to go on."""

    @abstractmethod
    def answer(self, messages: list[bytes]) -> bool:
        """Answer messages; return whether all were within the address' rate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection where there is room for it."""
        self._transport = transport
        self._source = transport.get_extra_info("peername")[:2]
        if not self._turns.connections.open(self._source[0]):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=_MAX_UNREAD)
        self._watch(min(_FIRST_MESSAGE_TIMEOUT, self._turns.limits.idle))

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        del exc
        self._turns.connections.close(self._source[0])
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Keep bytes for the next turn; a connection that has one already is not read, but for what comes at once."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        if len(self._buffer) >= _MAX_UNTAKEN:
            self._transport.pause_reading()
        self._go_on()

    def eof_received(self) -> bool:
        """Close when every message that came before has its response."""
        self.end()
        self._close_if_done()
        return True

    def pause_writing(self) -> None:
        """Take no message while the caller does not read."""
        self._unread = True

    def resume_writing(self) -> None:
        """Go on."""
        self._unread = False
        self._unblock()

    def take(self, at_most: int) -> int:
        """Answer up to so many messages; return how many."""
        self._has_turn = False
        if self._transport.is_closing():
            return 0
        if self._unread or self._in_flight >= _MAX_IN_FLIGHT:
            self._blocked = True
            self._transport.pause_reading()
            return 0
        messages: list[bytes] = []
        try:
            messages = self._frames(at_most)
            within_rate = not messages or self.answer(messages)
        except Exception:
            log.exception("answering over TCP failed")
            self._transport.abort()
            return len(messages)
        if messages:
            self.touch()
        if not self._transport.is_closing():
            self._end_turn(more=len(messages) == at_most, within_rate=within_rate)
        return len(messages)

    def end(self) -> None:
        """Read nothing any more; the connection is closed when all that was taken has its response."""
        self._ended = True
        self._transport.pause_reading()

    def touch(self) -> None:
        """Begin the idle time anew."""
        self._active = asyncio.get_running_loop().time()

    def write(self, data: bytes) -> None:
        """Send bytes while the connection is open."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def wait_for(self, future: "asyncio.Future[Any]") -> None:
        """Count a message whose lookup is not done."""
        self._in_flight += 1
        future.add_done_callback(self._answered)

    def _answered(self, _: object) -> None:
        self._in_flight -= 1
        self._unblock()
        self._close_if_done()

    def _frames(self, at_most: int) -> list[bytes]:
        messages: list[bytes] = []
        while len(messages) < at_most:
            message, self._at = self.frame(self._buffer, self._at)
            if message is None:
                break
            messages.append(message)
        return messages

    def _end_turn(self, *, more: bool, within_rate: bool) -> None:
        """Have another turn, or one after a pause, and read nothing meanwhile; without whole messages read on."""
        if not within_rate:
            self._has_turn = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_RATE_BACKOFF, self._turns.add, self)
        elif more and self._at < len(self._buffer):
            self._transport.pause_reading()
            self._go_on()
        else:
            self._buffer, self._at = self._buffer[self._at :], 0
            if not self._ended:
                self._transport.resume_reading()
            self._close_if_done()

    def _go_on(self) -> None:
        if not self._has_turn and not self._blocked:
            self._has_turn = True
            self._turns.add(self)

    def _unblock(self) -> None:
        if self._blocked and not self._unread and self._in_flight < _MAX_IN_FLIGHT:
            self._blocked = False
            self._go_on()

    def _close_if_done(self) -> None:
        if self._ended and not self._has_turn and not self._blocked and not self._in_flight:
            self._transport.close()

    def _watch(self, seconds: float) -> None:
        self._idle = asyncio.get_running_loop().call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        left = self._active + self._turns.limits.idle - asyncio.get_running_loop().time()
        if self._active and left > 0:
            self._watch(left)
        else:
            self._transport.abort()  # unread responses would keep it open
