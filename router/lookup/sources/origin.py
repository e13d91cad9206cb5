"""Origin: reads the number database for calls that no cache answered; bounded, once a number, behind a breaker."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from router.couch.errors import CouchError
from router.entries.codec import NEGATIVE, Entry
from router.lookup.batch import Batch
from router.lookup.cache_filler import CacheFiller
from router.lookup.call import Call
from router.lookup.descriptions import describe_document
from router.lookup.origin_reader import OriginReader
from router.lookup.responder import Responder
from router.lookup.scan_detector import ScanDetector
from router.lookup.single_flight import InFlightRead, SingleFlight
from router.numbers.routes import Policy, Reason, Refused
from router.numbers.shards import shard_for
from router.runtime.circuit_breaker import CircuitBreaker
from router.runtime.counters import Counters
from router.runtime.deadline_timer import DeadlineTimer
from router.trust.trust import Trust
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_READ_BATCH_SIZE = 100
"""Numbers of one database read in one request."""
_DEADLINE_MARGIN = 0.1
"""Seconds before a caller's deadline at which a waiting call is refused. The known deadline is late: it lacks the
call's way here, and gRPC rounds a second up by 10 ms (measured). On a busy machine the way back takes some tens of
milliseconds."""
_NO_TIME = 0.005
"""Seconds in which no database responds."""
_NO_RESPONSE = "the number database does not answer; it is tried again in a moment"


class OriginSource:
    """Reads numbers from their databases, in threads of its own.

    Args:
        filler: writes what was read to Redis.
        breaker: of the number databases.
        connections: reads at a time.
        max_pending: numbers that are read or wait for it.
        max_wait: seconds that a call may wait, however far its deadline is.
        scans: detects scans, and lists their databases.
        in_each_thread: called first in every thread that reads.

    Attributes:
        counts: reads by outcome, for metrics.
    """

    LAYER: ClassVar = "number_database"

    def __init__(
        self,
        reader: OriginReader,
        filler: CacheFiller,
        responder: Responder,
        *,
        breaker: CircuitBreaker,
        connections: int,
        max_pending: int,
        max_wait: float,
        scans: ScanDetector,
        in_each_thread: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = reader
        self._filler = filler
        self._responder = responder
        self._breaker = breaker
        # One database gets at most half of the threads.
        self._reads = SingleFlight(
            max_pending, batch_size=_READ_BATCH_SIZE, readers=-(-connections // 2), max_wait=max_wait
        )
        self._max_wait = max_wait
        self._timer = DeadlineTimer()
        self._scans = scans
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="origin-reader", initializer=in_each_thread)
        self.counts = Counters()

    @property
    def in_flight(self) -> int:
        """Numbers that are read or wait for it."""
        return self._reads.count

    @property
    def coalesced(self) -> int:
        """Calls that joined a read which another call had started."""
        return self._reads.coalesced

    @property
    def is_breaker_open(self) -> bool:
        """Return whether the circuit breaker of the number databases is open."""
        return self._breaker.is_open

    def start(self) -> None:
        """Start the timer of the deadlines."""
        self._timer.start()

    def stop(self) -> None:
        """Let running reads end; start no other."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._timer.stop()

    def resolve(self, batch: Batch, trust: Trust) -> Batch:
        """Have all calls answered from the database, or refused in time; return an empty batch.

        The cache is trusted no more at this point: these calls are answered by what the database returns.
        """
        del trust
        self._remove_corrupt(batch.corrupt)
        misses = [*batch.for_origin, *batch.calls]
        if misses:
            self._responder.counts.add("miss", len(misses))
            self._submit(misses, batch.policy)
        batch.calls, batch.for_origin, batch.corrupt = (), [], []
        return batch

    def describe(self, number: str, trust: Trust) -> pb.LayerView:
        """Return what the number database holds for a number."""
        del trust
        database = shard_for(number) or ""
        document = self._reader.document(database, number)
        if document is None and self._reader.lacks(database):
            return pb.LayerView(detail=f"no document {number}: the database {database} does not exist")
        return describe_document(document, number, database)

    def _submit(self, calls: Sequence[Call], policy: Policy) -> None:
        if self._breaker.is_open:
            self._refuse(calls, _NO_RESPONSE)
            return
        admission = self._reads.join([(call, shard_for(call.e164) or "") for call in calls], policy)
        self._refuse(
            admission.rejected, "more numbers wait for the number database than it can give in time", Reason.OVERLOADED
        )
        for read, call in admission.joined:
            self._refuse_at_deadline(read, call)
        self._start_readers(admission.readers)

    def _remove_corrupt(self, numbers: Sequence[str]) -> None:
        """Have corrupt entries removed; the next miss fills them again."""
        if not numbers:
            return
        log.warning("corrupt entries removed from Redis: numbers=%s", ", ".join(numbers))
        self.counts.add("spoilt", len(numbers))
        with contextlib.suppress(RuntimeError):  # stopped
            self._pool.submit(self._filler.remove, numbers)

    def _refuse_at_deadline(self, read: InFlightRead, call: Call) -> None:
        """Refuse a call just before its deadline, whatever the database does."""

        def refuse() -> None:
            if self._reads.leave(read, call):
                self._refuse([call], "the number database did not answer in time")

        now = time.monotonic()
        remaining = min(call.deadline - now, self._max_wait)
        # A call without time for a read expires instead: the database was not slow.
        margin = min(_DEADLINE_MARGIN, remaining / 4) if remaining > _NO_TIME else 0.0
        self._timer.at(now + remaining - margin, refuse)

    def _start_readers(self, databases: Iterable[str]) -> None:
        for database in databases:
            # After the stop nothing new is read. Where no thread can be started, the running ones take the reads.
            with contextlib.suppress(RuntimeError):
                self._pool.submit(self._run_reader, database)

    def _run_reader(self, database: str) -> None:
        """Read what waits for a database, and start readers for what joins meanwhile."""
        epoch: str | None = None
        entries: dict[str, Entry] = {}
        reads = self._reads.take(database)
        try:
            if reads:
                epoch, entries = self._read_and_answer(database, reads)
        finally:
            self._start_readers([database] * self._reads.release_reader(database))
        if entries and epoch is not None:
            self._filler.fill(database, epoch, entries)
        shared = [read.number for read in reads if read.shared]
        self._list_if_scanned(database, [each for each in shared if each in entries and entries[each].kind == NEGATIVE])

    def _read_and_answer(self, database: str, reads: Sequence[InFlightRead]) -> tuple[str | None, dict[str, Entry]]:
        """Read, and answer the waiting calls; return the epoch from before the read, and the entries."""
        entries: dict[str, Entry] = {}
        problem = _NO_RESPONSE
        epoch: str | None = None
        try:
            if self._breaker.allows():
                epoch = self._filler.epoch(database)
                numbers = list(dict.fromkeys(read.number for read in reads))
                entries = self._read(database, numbers, reads[0].policy)
        except CouchError as failure:
            problem = str(failure)
        except Exception:
            log.exception("reading failed: database=%s", database)
            problem = "reading the number document failed; the service's log says why"
        self._complete(reads, entries, problem)
        return epoch, entries

    def _read(self, database: str, numbers: list[str], policy: Policy) -> dict[str, Entry]:
        try:
            entries = self._reader.entries(database, numbers, policy)
        except CouchError as failure:
            self.counts.add("failed")
            if self._breaker.failed():
                log.warning("circuit breaker opened: store=couchdb error=%s", failure)
            raise
        self._breaker.succeeded()
        self.counts.add("read", len(numbers))
        return entries

    def _complete(self, reads: Sequence[InFlightRead], entries: dict[str, Entry], problem: str) -> None:
        for read in reads:
            entry = entries.get(read.number)
            waiting = self._reads.complete(read, succeeded=entry is not None)
            try:
                self._answer_all(waiting, entry, problem)
            except Exception:
                # The other reads must complete too: later calls would join them and never be answered.
                log.exception("answering failed: number=%s", read.number)

    def _answer_all(self, calls: Sequence[Call], entry: Entry | None, problem: str) -> None:
        if entry is None:
            self._refuse(calls, problem)
            return
        for call in calls:
            self._answer(call, entry)

    def _answer(self, call: Call, entry: Entry) -> None:
        try:
            call.source = self.LAYER
            self._responder.answer_from_database(call, entry)
        except CouchError as failure:
            call.source = "none"
            self._refuse([call], str(failure))
        except Exception:
            log.exception("answering failed: number=%s", call.e164)
            self._refuse([call], "answering failed; the service's log says why")

    def _list_if_scanned(self, database: str, absent: Sequence[str]) -> None:
        if not self._scans.wants_listing(database, absent):
            return
        try:
            self._scans.list_around(database, absent[-1])
            self.counts.add("listed")
        except CouchError as failure:
            self.counts.add("failed")
            log.debug("listing failed: database=%s error=%s", database, failure)

    def _refuse(self, calls: Sequence[Call], why: str, reason: Reason = Reason.NUMBER_DATABASE_UNAVAILABLE) -> None:
        now = time.monotonic()
        for call in calls:
            if call.deadline <= now:
                call.expire()
            else:
                self._responder.refuse(call, Refused(reason, call.e164, message=why))
