"""Single flight: concurrent misses for one number share one read.

The reads of one database wait in a queue. A reader takes all that wait when it is free, so an idle database is read
at once for a single number, and a busy one in one request for many.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from router.lookup.call import Call
from router.lookup.wait_estimator import WaitEstimator
from router.numbers.routes import Policy

_CALLS_PER_NUMBER = 5
"""Calls that may wait for each number in flight, on average: calls for one number that can't be read must not fill the
memory."""
_MAX_WAIT_SHARE = 0.3
"""Maximum expected wait, as a fraction of the remaining deadline; calls with a longer one are rejected at once. So
numbers in flight are answered in time, and the queue never grows to the length of the deadlines. A smaller share would
reject calls for a database that is slow and not busy: a slow read says nothing about the next one."""


class InFlightRead:
    """A number that is being read or waits for it, and the calls that wait for the result.

    Attributes:
        policy: judges its document.
        shared: whether further calls may join.
        ahead: numbers of its database that were in flight when it started.
        since: time of the start, on the monotonic clock.
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


class Admission(NamedTuple):
    """The result of `join`.

    Attributes:
        readers: the database of each reader that has to be started.
        joined: each call that waits, with its read.
        rejected: calls for which there was no room, or that would have waited too long.
    """

    readers: list[str]
    joined: list[tuple[InFlightRead, Call]]
    rejected: list[Call]


class _ReadQueue:
    """The reads of one database.

    Attributes:
        reads: those that no reader has taken yet.
        count: all in flight.
        started: readers that were started and have taken nothing yet.
        reading: readers that have taken reads and are not released.
        estimator: learns how long its reads wait.
    """

    __slots__ = ("count", "estimator", "reading", "reads", "started")

    def __init__(self, estimator: WaitEstimator) -> None:
        self.reads: deque[InFlightRead] = deque()
        self.count = 0
        self.estimator = estimator
        self.started = 0
        self.reading = 0


class SingleFlight:
    """All reads in flight; threads share them. Each call is handed out once, so it is answered once.

    Args:
        limit: maximum numbers in flight; five times as many calls may wait for them.
        batch_size: maximum numbers that a reader takes together.
        readers: maximum readers of one database, so that a slow one leaves some for the others.
        max_wait: seconds that a call may wait, however far its deadline is.
        estimator: creates the wait estimator of a database.

    Attributes:
        coalesced: calls that joined a read which another call had started.
    """

    def __init__(
        self,
        limit: int,
        *,
        batch_size: int,
        readers: int,
        max_wait: float,
        estimator: Callable[[], WaitEstimator] = WaitEstimator,
    ) -> None:
        self._limit = limit
        self._batch_size = batch_size
        self._readers = readers
        self._lock = threading.Lock()
        self._queues: defaultdict[str, _ReadQueue] = defaultdict(lambda: _ReadQueue(estimator()))
        self._shared: dict[str, InFlightRead] = {}
        self._count = 0
        self._waiting = 0
        self._max_wait = max_wait
        self.coalesced = 0

    def join(self, calls: Iterable[tuple[Call, str]], policy: Policy) -> Admission:
        """Have calls wait, each with the database of its number.

        An authoritative call never joins a read that started before it.
        """
        joined: list[tuple[InFlightRead, Call]] = []
        rejected: list[Call] = []
        extended: dict[str, _ReadQueue] = {}
        now = time.monotonic()
        with self._lock:
            for call, database in calls:
                if self._waiting >= _CALLS_PER_NUMBER * self._limit:
                    rejected.append(call)
                    continue
                read = None if call.authoritative else self._shared.get(call.e164)
                if read is None:
                    if self._count >= self._limit or self._would_wait_too_long(database, call.deadline - now):
                        rejected.append(call)
                        continue
                    read = self._start(call, database, policy, now)
                    extended[database] = self._queues[database]
                else:
                    self.coalesced += 1
                read.waiting.append(call)
                self._waiting += 1
                joined.append((read, call))
            readers = [database for database, queue in extended.items() for _ in range(self._start_readers(queue))]
        return Admission(readers, joined, rejected)

    def take(self, database: str) -> list[InFlightRead]:
        """Return the next reads for a reader, in their order and of one policy; `release_reader` follows.

        Reads that no call waits for any more end here.
        """
        taken: list[InFlightRead] = []
        with self._lock:
            queue = self._queues[database]
            queue.started -= 1
            queue.reading += 1
            while queue.reads and len(taken) < self._batch_size:
                read = queue.reads[0]
                if read.waiting:
                    if taken and read.policy is not taken[0].policy:
                        break
                    taken.append(read)
                else:
                    self._end(read)
                queue.reads.popleft()
        return taken

    def release_reader(self, database: str) -> int:
        """Release a reader; return how many have to be started for the reads that joined meanwhile."""
        with self._lock:
            queue = self._queues[database]
            queue.reading -= 1
            if not (queue.count or queue.started or queue.reading):
                del self._queues[database]
                return 0
            return self._start_readers(queue)

    def complete(self, read: InFlightRead, *, succeeded: bool) -> list[Call]:
        """End a read; return the calls that still wait for it.

        Args:
            succeeded: the database returned its content; otherwise the read's time tells nothing about others.
        """
        with self._lock:
            estimator = self._queues[read.database].estimator
            self._end(read)
            if succeeded:
                now = time.monotonic()
                estimator.completed(now - read.since, read.ahead, now)
            waiting, read.waiting = read.waiting, []
            self._waiting -= len(waiting)
            return waiting

    def leave(self, read: InFlightRead, call: Call) -> bool:
        """Stop waiting; return False where the read has completed meanwhile, and answers the call."""
        with self._lock:
            if call not in read.waiting:
                return False
            read.waiting.remove(call)
            self._waiting -= 1
            return True

    @property
    def count(self) -> int:
        """Numbers in flight."""
        return self._count

    def _start(self, call: Call, database: str, policy: Policy, now: float) -> InFlightRead:
        queue = self._queues[database]
        read = InFlightRead(call.e164, database, policy, shared=not call.authoritative, ahead=queue.count, since=now)
        self._count += 1
        queue.count += 1
        queue.reads.append(read)
        if read.shared:
            self._shared[read.number] = read
        return read

    def _would_wait_too_long(self, database: str, left: float) -> bool:
        queue = self._queues.get(database)
        return queue is not None and queue.estimator.wait(queue.count) > _MAX_WAIT_SHARE * min(left, self._max_wait)

    def _end(self, read: InFlightRead) -> None:
        self._count -= 1
        self._queues[read.database].count -= 1
        if read.shared and self._shared.get(read.number) is read:
            del self._shared[read.number]

    def _start_readers(self, queue: _ReadQueue) -> int:
        """Return how many more readers a queue needs and may have; they count as started."""
        wanted = -(-len(queue.reads) // self._batch_size) - queue.started
        more = max(0, min(wanted, self._readers - queue.started - queue.reading))
        queue.started += more
        return more
