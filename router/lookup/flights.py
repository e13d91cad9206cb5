"""One number, one flight: everybody who misses a number while it is being read waits for that reading."""

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from router.lookup.call import Call
from router.lookup.pace import Pace

_EACH = 5
"""Calls that may wait for the numbers in the air, on average: who asks for one number again and again while it can't be
read must not fill the memory."""
_SHARE = 0.25
"""Of a call's time left that it may be expected to wait: who would wait longer is refused at once, so that those in the
air are answered in time and the line never gets as long as their deadlines."""


class Flight:
    """A number on its way from the database, and who waits for it.

    Attributes:
        ahead: how many were in the air when it took off.
        since: when that was, on the monotonic clock.
    """

    __slots__ = ("ahead", "database", "number", "shared", "since", "waiting")

    def __init__(self, number: str, database: str, *, shared: bool, ahead: int, since: float) -> None:
        self.number = number
        self.database = database
        self.shared = shared
        self.ahead = ahead
        self.since = since
        self.waiting: list[Call] = []


class Boarding(NamedTuple):
    """What became of calls that wanted to wait.

    Attributes:
        started: new flights, to be flown by whoever boarded the calls.
        boarded: each call that waits, with its flight.
        left: calls for which there was no room, or that would have waited too long.
    """

    started: list[Flight]
    boarded: list[tuple[Flight, Call]]
    left: list[Call]


class Flights:
    """All flights; threads share them. A call is handed out once, so it is answered once.

    Args:
        limit: numbers in the air at most; five times as many calls may wait for them.
        pace: what is known of how long they wait.
    """

    def __init__(self, limit: int, pace: Pace | None = None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._shared: dict[str, Flight] = {}
        self._count = 0
        self._waiting = 0
        self._pace = pace or Pace()

    def board(self, calls: Iterable[tuple[Call, str]]) -> "Boarding":
        """Let calls wait, each with its number's database.

        An authoritative call never joins a reading that began before it asked.
        """
        started: list[Flight] = []
        boarded: list[tuple[Flight, Call]] = []
        left: list[Call] = []
        now = time.monotonic()
        with self._lock:
            for call, database in calls:
                if self._waiting >= _EACH * self._limit:
                    left.append(call)
                    continue
                flight = None if call.authoritative else self._shared.get(call.e164)
                if flight is None:
                    if self._count >= self._limit or self._pace.wait(self._count) > _SHARE * (call.deadline - now):
                        left.append(call)
                        continue
                    flight = self._start(call, database, now)
                    started.append(flight)
                flight.waiting.append(call)
                self._waiting += 1
                boarded.append((flight, call))
        return Boarding(started, boarded, left)

    def land(self, flight: Flight) -> list[Call]:
        """End a flight; returns who still waits."""
        with self._lock:
            self._count -= 1
            self._pace.landed(time.monotonic() - flight.since, flight.ahead)
            if flight.shared and self._shared.get(flight.number) is flight:
                del self._shared[flight.number]
            waiting, flight.waiting = flight.waiting, []
            self._waiting -= len(waiting)
            return waiting

    def leave(self, flight: Flight, call: Call) -> bool:
        """Stop waiting; False when the flight has landed meanwhile and the call is answered elsewhere."""
        with self._lock:
            if call not in flight.waiting:
                return False
            flight.waiting.remove(call)
            self._waiting -= 1
            return True

    def deserted(self, flight: Flight) -> bool:
        """Whether nobody waits any more."""
        return not flight.waiting

    @property
    def count(self) -> int:
        """Numbers in the air."""
        return self._count

    def _start(self, call: Call, database: str, now: float) -> Flight:
        flight = Flight(call.e164, database, shared=not call.authoritative, ahead=self._count, since=now)
        self._count += 1
        if flight.shared:
            self._shared[flight.number] = flight
        return flight
