"""One number, one flight: everybody who misses a number while it is being read waits for that reading.

Flights of one database stand in a line. Whoever reads takes together what stands there when it is free, so that a
database at rest is asked for a number at once, and a busy one for many in one request.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from router.lookup.call import Call
from router.lookup.wait_estimator import WaitEstimator
from router.numbers.routes import Policy

_EACH = 5
"""Calls that may wait for the numbers in the air, on average: who asks for one number again and again while it can't be
read must not fill the memory."""
_SHARE = 0.3
"""Of a call's time left that it may be expected to wait: who would wait longer is refused at once, so that those in the
air are answered in time and the line never gets as long as their deadlines. Less would refuse callers of a database
that is slow and not busy: that one read takes as long says nothing of the next."""


class InFlightRead:
    """A number on its way from the database, and who waits for it.

    Attributes:
        policy: by which its document is to be judged.
        ahead: how many of its database were in the air when it took off.
        since: when that was, on the monotonic clock.
    """

    __slots__ = ("ahead", "database", "number", "policy", "shared", "since", "waiting")

    def __init__(self, number: str, database: str, policy: Policy, *, shared: bool, ahead: int, since: float) -> None:
        self.number = number
        self.database = database
        self.policy = policy
        self.shared = shared
        self.ahead = ahead
        self.since = since
        self.waiting: list[Call] = []


class JoinResult(NamedTuple):
    """What became of calls that wanted to wait.

    Attributes:
        readers: the database of each reader that has to be sent for them.
        boarded: each call that waits, with its flight.
        left: calls for which there was no room, or that would have waited too long.
    """

    readers: list[str]
    boarded: list[tuple[InFlightRead, Call]]
    left: list[Call]


class _Line:
    """Flights of one database.

    Attributes:
        flights: those that nobody reads yet; count: all in the air.
        sent: readers that are on their way to it; reading: those that took some and have not left.
        pace: what is known of how long they wait.
    """

    __slots__ = ("count", "flights", "pace", "reading", "sent")

    def __init__(self, pace: WaitEstimator) -> None:
        self.flights: deque[InFlightRead] = deque()
        self.count = 0
        self.pace = pace
        self.sent = 0
        self.reading = 0


class SingleFlight:
    """All flights; threads share them. A call is handed out once, so it is answered once.

    Args:
        limit: numbers in the air at most; five times as many calls may wait for them.
        together: numbers that one reader takes at most.
        readers: for one database at a time, so that a slow one leaves some to the others.
        time_limit: seconds that a call may wait at most, however far its deadline is.
        pace: makes what learns how long numbers of a database wait.
    """

    def __init__(
        self,
        limit: int,
        *,
        together: int,
        readers: int,
        time_limit: float,
        pace: Callable[[], WaitEstimator] = WaitEstimator,
    ) -> None:
        self._limit = limit
        self._together = together
        self._readers = readers
        self._lock = threading.Lock()
        self._lines: defaultdict[str, _Line] = defaultdict(lambda: _Line(pace()))
        self._shared: dict[str, InFlightRead] = {}
        self._count = 0
        self._waiting = 0
        self.joined = 0
        self._time_limit = time_limit

    def board(self, calls: Iterable[tuple[Call, str]], policy: Policy) -> "JoinResult":
        """Let calls wait, each with its number's database.

        An authoritative call never joins a reading that began before it asked.
        """
        boarded: list[tuple[InFlightRead, Call]] = []
        left: list[Call] = []
        lined_up: dict[str, _Line] = {}
        now = time.monotonic()
        with self._lock:
            for call, database in calls:
                if self._waiting >= _EACH * self._limit:
                    left.append(call)
                    continue
                flight = None if call.authoritative else self._shared.get(call.e164)
                if flight is None:
                    if self._count >= self._limit or self._would_wait_too_long(database, call.deadline - now):
                        left.append(call)
                        continue
                    flight = self._start(call, database, policy, now)
                    lined_up[database] = self._lines[database]
                else:
                    self.joined += 1
                flight.waiting.append(call)
                self._waiting += 1
                boarded.append((flight, call))
            readers = [database for database, line in lined_up.items() for _ in range(self._send(line))]
        return JoinResult(readers, boarded, left)

    def take(self, database: str) -> list[InFlightRead]:
        """The flights that a reader who has come is to read, in their order and of one policy; `leave_line` follows.

        Those for which nobody waits any more end here.
        """
        taken: list[InFlightRead] = []
        with self._lock:
            line = self._lines[database]
            line.sent -= 1
            line.reading += 1
            while line.flights and len(taken) < self._together:
                flight = line.flights[0]
                if flight.waiting:
                    if taken and flight.policy is not taken[0].policy:
                        break
                    taken.append(flight)
                else:
                    self._end(flight)
                line.flights.popleft()
        return taken

    def release_reader(self, database: str) -> int:
        """A reader has done with what it took; returns how many have to be sent for what came meanwhile."""
        with self._lock:
            line = self._lines[database]
            line.reading -= 1
            if not (line.count or line.sent or line.reading):
                del self._lines[database]
                return 0
            return self._send(line)

    def land(self, flight: InFlightRead, *, read: bool) -> list[Call]:
        """End a flight; returns who still waits.

        Args:
            read: the database said what it holds; else its time tells nothing about others.
        """
        with self._lock:
            pace = self._lines[flight.database].pace
            self._end(flight)
            if read:
                now = time.monotonic()
                pace.landed(now - flight.since, flight.ahead, now)
            waiting, flight.waiting = flight.waiting, []
            self._waiting -= len(waiting)
            return waiting

    def leave(self, flight: InFlightRead, call: Call) -> bool:
        """Stop waiting; False when the flight has landed meanwhile and the call is answered elsewhere."""
        with self._lock:
            if call not in flight.waiting:
                return False
            flight.waiting.remove(call)
            self._waiting -= 1
            return True

    @property
    def count(self) -> int:
        """Numbers in the air."""
        return self._count

    def _start(self, call: Call, database: str, policy: Policy, now: float) -> InFlightRead:
        line = self._lines[database]
        flight = InFlightRead(call.e164, database, policy, shared=not call.authoritative, ahead=line.count, since=now)
        self._count += 1
        line.count += 1
        line.flights.append(flight)
        if flight.shared:
            self._shared[flight.number] = flight
        return flight

    def _would_wait_too_long(self, database: str, left: float) -> bool:
        line = self._lines.get(database)
        return line is not None and line.pace.wait(line.count) > _SHARE * min(left, self._time_limit)

    def _end(self, flight: InFlightRead) -> None:
        self._count -= 1
        self._lines[flight.database].count -= 1
        if flight.shared and self._shared.get(flight.number) is flight:
            del self._shared[flight.number]

    def _send(self, line: _Line) -> int:
        """How many more readers a line needs and may have; they count as sent."""
        wanted = -(-len(line.flights) // self._together) - line.sent
        more = max(0, min(wanted, self._readers - line.sent - line.reading))
        line.sent += more
        return more
