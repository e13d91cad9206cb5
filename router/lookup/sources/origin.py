"""What no cache holds is read from the number database: bounded, once per number, behind a breaker."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from router.couch.errors import CouchError
from router.entries.codec import NEGATIVE, Entry
from router.lookup.call import Call
from router.lookup.deadline_timer import DeadlineTimer
from router.lookup.origin_reader import OriginReader
from router.lookup.scan_detector import ScanDetector
from router.lookup.single_flight import InFlightRead, SingleFlight
from router.numbers.routes import Policy, Reason, Refused
from router.numbers.shards import shard_for
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import RedisUnavailableError, is_error_reply
from router.runtime.circuit_breaker import CircuitBreaker
from router.runtime.counters import Counters
from router.trust.monitor import TrustMonitor
from router.trust.trust import UNAVAILABLE

log = logging.getLogger(__name__)

_READ_BATCH_SIZE = 100
"""Numbers of one database read in one request."""
_IN_TIME = 0.1
"""Seconds before a caller's deadline at which it is told that the database did not answer in time. What is known of
its deadline is late: the call's way here is not in it, and gRPC rounds a second up by 10 ms (seen). On a busy machine
the way back takes some tens of milliseconds."""
_NO_TIME = 0.005
"""Seconds in which no database answers."""


class Fallback:
    """Reads numbers from their databases for calls that missed.

    Args:
        settle: answers a call from an entry; called in the fallback's threads.
        refuse: refuses a call; called in the same.
        breaker: of the databases.
        trust: tells whether Redis responds, so that a dead Redis costs no reader its time.
        time_limit: seconds that a call may wait at most, however far its deadline is.
        scans: notices who asks for one unassigned number after the other.
        in_each_thread: run first by every thread that reads.
    """

    def __init__(
        self,
        authority: OriginReader,
        writer: CacheStore,
        settle: Callable[[Call, Entry], None],
        refuse: Callable[[Call, Refused], None],
        *,
        breaker: CircuitBreaker,
        trust: TrustMonitor,
        connections: int,
        waiting: int,
        time_limit: float,
        alarm: DeadlineTimer,
        scans: ScanDetector,
        in_each_thread: Callable[[], None] = lambda: None,
    ) -> None:
        self._authority = authority
        self._writer = writer
        self._settle = settle
        self._tell_refusal = refuse
        self.breaker = breaker
        self._trust = trust
        self._flights = SingleFlight(
            waiting, batch_size=_READ_BATCH_SIZE, readers=-(-connections // 2), max_wait=time_limit
        )
        self._time_limit = time_limit
        self._alarm = alarm
        self._scans = scans
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="lookup-fallback", initializer=in_each_thread)
        self.counts = Counters()

    @property
    def in_flight(self) -> int:
        """Numbers being read or waiting to be."""
        return self._flights.count

    @property
    def coalesced(self) -> int:
        """Calls that joined a read which another call had begun."""
        return self._flights.coalesced

    def stop(self) -> None:
        """Let running reads end; nothing new is read."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, calls: Sequence[Call], policy: Policy) -> None:
        """Have these calls answered from the database, or refused in time."""
        if self.breaker.is_open:
            self._refuse(calls, "the number database does not answer; it is tried again in a moment")
            return
        admission = self._flights.join([(call, shard_for(call.e164) or "") for call in calls], policy)
        self._refuse(
            admission.rejected, "more numbers wait for the number database than it can give in time", Reason.OVERLOADED
        )
        for flight, call in admission.joined:
            self._tell_in_time(flight, call)
        self._send(admission.readers)

    def discard(self, numbers: Sequence[str]) -> None:
        """Have entries removed that can't be what was written; who asks next fills them again."""
        if not numbers:
            return
        log.warning("what Redis holds for %s is spoilt, and removed", ", ".join(numbers))
        self.counts.add("spoilt", len(numbers))
        self._pool.submit(self._discard, list(numbers))

    def _tell_in_time(self, flight: InFlightRead, call: Call) -> None:
        """See to it that a call is told before its deadline, whatever the database does."""

        def tell() -> None:
            if self._flights.leave(flight, call):
                self._refuse([call], "the number database did not answer in time")

        now = time.monotonic()
        remaining = min(call.deadline - now, self._time_limit)
        # Who brought no time for a database at all is told that, not that the database was slow.
        margin = min(_IN_TIME, remaining / 4) if remaining > _NO_TIME else 0.0
        self._alarm.at(now + remaining - margin, tell)

    def _send(self, readers: Iterable[str]) -> None:
        for database in readers:
            # Stopped: nothing new is read. Where no more threads can be had, those that are there take it.
            with contextlib.suppress(RuntimeError):
                self._pool.submit(self._fly, database)

    def _fly(self, database: str) -> None:
        """Read what waits for a database now, and see to it that what comes meanwhile is read as well."""
        epoch: str | None = None
        entries: dict[str, Entry] = {}
        flights = self._flights.take(database)
        try:
            epoch, entries = self._fly_together(database, flights) if flights else (None, {})
        finally:
            self._send([database] * self._flights.release_reader(database))
        if entries and epoch is not None:
            self._keep(database, epoch, entries)
        shared = [flight.number for flight in flights if flight.shared]
        self._look_for_a_scan(database, [each for each in shared if each in entries and entries[each].kind == NEGATIVE])

    def _fly_together(self, database: str, flights: Sequence[InFlightRead]) -> tuple[str | None, dict[str, Entry]]:
        """Answer who waits; returns the epoch from before the reading, and what was read."""
        entries: dict[str, Entry] = {}
        problem = "the number database does not answer; it is tried again in a moment"
        epoch: str | None = None
        try:
            if self.breaker.allows():
                epoch = self._epoch(database)
                numbers = list(dict.fromkeys(flight.number for flight in flights))
                entries = self._read(database, numbers, flights[0].policy)
        except CouchError as failure:
            problem = str(failure)
        except Exception:
            log.exception("reading %s failed", database)
            problem = "reading the number document failed; the service's log says why"
        self._complete(flights, entries, problem)
        return epoch, entries

    def _read(self, database: str, numbers: list[str], policy: Policy) -> dict[str, Entry]:
        try:
            entries = self._authority.entries(database, numbers, policy)
        except CouchError as failure:
            self.counts.add("failed")
            if self.breaker.failed():
                log.warning("circuit breaker opened: store=couchdb error=%s", failure)
            raise
        self.breaker.succeeded()
        self.counts.add("read", len(numbers))
        return entries

    def _complete(self, flights: Sequence[InFlightRead], entries: dict[str, Entry], problem: str) -> None:
        for flight in flights:
            found = entries.get(flight.number)
            waiting = self._flights.complete(flight, succeeded=found is not None)
            try:
                self._tell(waiting, found, problem)
            except Exception:
                # The others of this reading still wait, and who asks next must not wait for a flight that never lands.
                log.exception("telling who waited for %s failed", flight.number)

    def _tell(self, waiting: Sequence[Call], found: Entry | None, problem: str) -> None:
        if found is None:
            self._refuse(waiting, problem)
            return
        for call in waiting:
            self._answer(call, found)

    def _answer(self, call: Call, found: Entry) -> None:
        try:
            self._settle(call, found)
        except CouchError as failure:
            self._refuse([call], str(failure))
        except Exception:
            log.exception("answering for %s failed", call.e164)
            self._refuse([call], "answering failed; the service's log says why")

    def _look_for_a_scan(self, database: str, unfound: Sequence[str]) -> None:
        if not self._scans.wants_listing(database, unfound):
            return
        try:
            self._scans.list_around(database, unfound[-1])
            self.counts.add("listed")
        except CouchError as failure:
            self.counts.add("failed")
            log.debug("listing %s failed: %s", database, failure)

    def _epoch(self, database: str) -> str | None:
        """The database's epoch before it is read; None when Redis can't say, and then nothing is kept."""
        if self._trust.current.redis is UNAVAILABLE:
            return None
        try:
            epoch = self._writer.checkpoints.epoch(database)
        except RedisUnavailableError as problem:
            self._note_failure(problem)
            return None
        self._trust.redis_responded()
        return epoch

    def _keep(self, database: str, epoch: str, entries: dict[str, Entry]) -> None:
        try:
            self._writer.entries.fill(database, epoch, list(entries.items()))
        except RedisUnavailableError as problem:
            # The answers are given already; the next miss reads again.
            self._note_failure(problem)
            log.debug("keeping %d entries of %s failed: %s", len(entries), database, problem)

    def _discard(self, numbers: Sequence[str]) -> None:
        try:
            for number in numbers:
                self._writer.entries.remove(number)
        except RedisUnavailableError as problem:
            self._note_failure(problem)

    def _note_failure(self, problem: Exception) -> None:
        """A Redis that takes no writes still answers: near caches and readers go on with it."""
        if not is_error_reply(problem):
            self._trust.redis_failed()

    def _refuse(self, calls: Sequence[Call], why: str, reason: Reason = Reason.NUMBER_DATABASE_UNAVAILABLE) -> None:
        now = time.monotonic()
        for call in calls:
            if call.deadline <= now:
                call.expire()
            else:
                self._tell_refusal(call, Refused(reason, call.e164, message=why))
