"""The common part of the targets of SIP and ENUM: lookups that are answered at once, connections, and a socket."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from router.lookup.queued_call import QueuedCall
from router.numbers.routes import Reason, Refused
from router.runtime.counters import LabelledCounters
from router.server.api.status import failure_of
from router.server.calls.event_loop import EventLoopCallSource
from router.server.observation.lookups import LookupObserver, Recorder
from router.v1 import inbound_pb2 as pb

ACCOUNT = "0123456789abcdef0123456789abcdef"
_REASONS = tuple(Reason)
_MAX_TURNS = 64
"""Turns of the loop in which a connection answers what an input holds."""


class RaisingLog:
    """Raises what a responder would log, and go on."""

    def exception(self, *_: object) -> NoReturn:
        raise  # noqa: PLE0704 - called while an exception is handled


def ignore(_why: str) -> None:
    """Count no message without a response."""


def lookups(loop: asyncio.AbstractEventLoop) -> EventLoopCallSource:
    """Return a call source that routes numbers that end in 0 to 4, oddly for 4, and refuses the others."""
    source = EventLoopCallSource(loop, 10, LookupObserver("sip", LabelledCounters(), Recorder(slow_call=9.0)))

    def answer(calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        for _, handle, _, request, _, _ in calls:
            number = pb.LookupRequest.FromString(request).number
            digit = int(number[-1]) if number[-1:].isascii() and number[-1:].isdigit() else 0
            if digit < 5:
                source.respond(handle, _route(number, odd=digit == 4))
            else:
                reason = _REASONS[digit % len(_REASONS)]
                source.fail(handle, failure_of(Refused(reason, number, ACCOUNT, "aging")))
        return ()

    source.attach(answer, lambda: 0)
    return source


def _route(number: str, *, odd: bool) -> bytes:
    account = 'no host">\r\nname' if odd else ACCOUNT
    return pb.LookupResponse(number="+14158867900", account_id=account, state="in_service").SerializeToString()


class FakeSocket:
    """A UDP socket that holds one datagram at a time, and keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self._waiting: list[tuple[bytes, Any]] = []
        self._drain: Callable[[], None] = lambda: None

    def setsockopt(self, *_: object) -> None:
        """Take any option."""

    def add_reader(self, _: object, drain: Callable[[], None]) -> None:
        """Stand in for the event loop."""
        self._drain = drain

    def recvfrom(self, _: int) -> tuple[bytes, Any]:
        """Return the datagram that waits."""
        if not self._waiting:
            raise BlockingIOError
        return self._waiting.pop()

    def sendto(self, message: bytes, address: Any) -> None:
        """Keep a response."""
        self.sent.append((message, address))

    def answers(self, data: bytes, address: Any) -> list[tuple[bytes, Any]]:
        """Deliver a datagram; return what is sent for it."""
        self.sent = []
        self._waiting = [(data, address)]
        self._drain()
        return self.sent


class FakeTransport(asyncio.Transport):
    """A TCP connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5061)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any."""

    def pause_reading(self) -> None:
        """Read nothing more; pieces come nevertheless, as some do that the loop has read already."""

    def resume_reading(self) -> None:
        """Read."""

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Close it."""
        self.closed = True

    abort = close


def through_tcp(
    loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.Protocol], pieces: Sequence[bytes]
) -> bytes:
    """Return what a connection answers to bytes that arrive in these pieces."""
    transport = FakeTransport()

    async def run() -> None:
        protocol = make()
        protocol.connection_made(transport)
        for piece in pieces:
            if not transport.closed:
                protocol.data_received(piece)
                await asyncio.sleep(0)
        for _ in range(_MAX_TURNS):
            await asyncio.sleep(0)
        protocol.connection_lost(None)

    loop.run_until_complete(run())
    return transport.written
