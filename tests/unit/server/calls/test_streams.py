"""Turns and bounds of TCP connections."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from router.server.calls import streams
from router.server.calls.source_address import SourceFilter
from router.server.calls.streams import StreamConnection, StreamLimits, StreamTurns


class Transport(asyncio.Transport):
    """A connection whose reads and end are recorded."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__({"peername": (address, 5061)})
        self.reading = True
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class Bytes(StreamConnection):
    """A connection whose messages are single bytes."""

    def __init__(self, turns: StreamTurns, seen: list[bytes], *, pending: bool = False) -> None:
        super().__init__(turns)
        self.seen = seen
        self.pending: list[asyncio.Future[None]] | None = [] if pending else None
        self.within_rate = True

    def frame(self, buffer: bytes, at: int) -> tuple[bytes | None, int]:
        return (buffer[at : at + 1], at + 1) if at < len(buffer) else (None, at)

    def answer(self, messages: list[bytes]) -> bool:
        self.seen += messages
        if self.pending is not None:
            for _ in messages:
                future = asyncio.get_running_loop().create_future()
                self.pending.append(future)
                self.wait_for(future)
        return self.within_rate


def turns(connections: int = 10, of_address: int = 10, idle: float = 60.0) -> StreamTurns:
    return StreamTurns(StreamLimits(connections, of_address, idle), SourceFilter((), 0), lambda _: None)


def connected(made: Bytes, address: str = "192.0.2.1") -> Transport:
    transport = Transport(address)
    made.connection_made(transport)
    return transport


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def many_turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def test_turn_takes_few_messages_of_a_connection_and_some_of_each() -> None:
    async def scenario() -> None:
        seen: list[bytes] = []
        shared = turns()
        flooding, other = Bytes(shared, seen), Bytes(shared, seen)
        transport = connected(flooding)
        connected(other)
        flooding.data_received(b"f" * 1000)
        other.data_received(b"o")

        await asyncio.sleep(0)

        assert 0 < len(seen) <= streams._TURN_BATCH_SIZE
        assert b"o" in seen
        assert not transport.reading
        await until(lambda: len(seen) == 1001)
        await asyncio.sleep(0)
        assert transport.reading

    run(scenario)


def test_turn_is_bounded_however_many_connections_have_messages() -> None:
    async def scenario() -> None:
        seen: list[bytes] = []
        shared = turns()
        for _ in range(10):
            made = Bytes(shared, seen)
            connected(made)
            made.data_received(b"x" * 100)

        await asyncio.sleep(0)

        assert len(seen) == streams._TURN_BATCH_SIZE
        await until(lambda: len(seen) == 1000)

    run(scenario)


def test_caller_that_does_not_read_is_not_read() -> None:
    async def scenario() -> None:
        made = Bytes(turns(), [])
        transport = connected(made)
        made.pause_writing()
        made.data_received(b"xx")

        await many_turns()

        assert (made.seen, transport.reading) == ([], False)
        made.resume_writing()
        await until(lambda: len(made.seen) == 2)
        await until(lambda: transport.reading)

    run(scenario)


def test_connection_with_many_lookups_in_flight_is_not_read() -> None:
    async def scenario() -> None:
        made = Bytes(turns(), [], pending=True)
        transport = connected(made)
        made.data_received(b"x" * 1000)

        await many_turns()

        assert len(made.seen) == streams._MAX_IN_FLIGHT
        assert not transport.reading
        assert made.pending is not None
        made.pending.pop().set_result(None)
        await until(lambda: len(made.seen) > streams._MAX_IN_FLIGHT)
        while len(made.seen) < 1000:
            for each in made.pending:
                if not each.done():
                    each.set_result(None)
            await asyncio.sleep(0)
        await until(lambda: transport.reading)

    run(scenario)


def test_half_closed_connection_gets_its_responses_before_it_is_closed() -> None:
    async def scenario() -> None:
        made = Bytes(turns(), [], pending=True)
        transport = connected(made)
        made.data_received(b"xx")
        assert made.eof_received() is True

        await until(lambda: len(made.seen) == 2)

        assert not transport.closed
        assert made.pending is not None
        for each in made.pending:
            each.set_result(None)
        await until(lambda: transport.closed)

    run(scenario)


def test_caller_beyond_its_rate_is_not_read_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_RATE_BACKOFF", 0.02)

    async def scenario() -> None:
        made = Bytes(turns(), [])
        made.within_rate = False
        transport = connected(made)
        made.data_received(b"x" * 100)

        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert len(made.seen) == streams._CONNECTION_BATCH_SIZE
        assert not transport.reading
        await until(lambda: len(made.seen) == 100)

    run(scenario)


def test_places_are_counted_in_all_and_by_address() -> None:
    async def scenario() -> None:
        dropped: list[str] = []
        shared = StreamTurns(StreamLimits(3, 2, 60.0), SourceFilter((), 0), dropped.append)
        opened = [(each, Bytes(shared, [])) for each in ("a", "a", "a", "b", "c")]
        closed = []
        for address, made in opened:
            transport = connected(made, address)
            closed.append(transport.closed)
            if transport.closed:
                made.connection_lost(None)

        assert closed == [False, False, True, False, True]
        assert dropped == ["too_many_connections"] * 2
        opened[0][1].connection_lost(None)
        assert not connected(Bytes(shared, []), "c").closed

    run(scenario)


@pytest.mark.parametrize("first_message", [True, False])
def test_silent_connection_is_closed(first_message: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_FIRST_MESSAGE_TIMEOUT", 0.02)

    async def scenario() -> None:
        made = Bytes(turns(idle=0.1 if first_message else 60.0), [])
        transport = connected(made)
        if first_message:
            made.data_received(b"x")
            await asyncio.sleep(0.05)
            assert not transport.closed

        await until(lambda: transport.closed)

    run(scenario)


def test_response_that_is_not_read_keeps_no_connection_open() -> None:
    async def scenario() -> None:
        made = Bytes(turns(idle=0.05), [])
        transport = connected(made)
        made.data_received(b"x")
        made.pause_writing()
        await asyncio.sleep(0)

        await until(lambda: transport.closed)

    run(scenario)
