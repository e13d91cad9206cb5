"""Admission: queues as many calls as can be answered in time, and refuses the others at once.

The call source returns queued calls in batches. Only a full batch makes admission read the backlog behind it; until
then, admission costs one comparison a batch.
"""

import time
from collections import deque
from collections.abc import Sequence

from router.lookup.queued_call import CALL, REMAINING, QueuedCall
from router.numbers.routes import Reason
from router.server.api.status import EXPIRED, OVERLOADED
from router.server.calls.call_source import CallSource, FastPath
from router.server.observation.lookups import LookupObserver

_MAX_BACKLOG_BATCHES = 8
"""Batches read behind a full one: a flood of refusals must not delay the responses."""
_MIN_WAIT = 0.001
"""Seconds of waiting that are too few to be subtracted from a deadline."""
_MAX_BATCH_WAIT = 0.25
"""Seconds after which a waiting batch is refused, so that younger calls are answered and not only old ones."""


class Admission:
    """Takes calls from a call source.

    Args:
        batch_size: maximum number of calls taken together.
        max_waiting: calls that may wait behind a batch.
        fast_path: responds from memory, which costs no more than a refusal.
        observer: sees the calls that are refused here.
    """

    def __init__(
        self, source: CallSource, *, batch_size: int, max_waiting: int, fast_path: FastPath, observer: LookupObserver
    ) -> None:
        self._source = source
        self._fast_path = fast_path
        self._batch_size = batch_size
        self._max_waiting = max_waiting
        self._observer = observer
        self._queue: deque[tuple[float, Sequence[QueuedCall]]] = deque()
        self.waiting = 0

    def take(self, wait: float) -> Sequence[QueuedCall]:
        """Return the calls to answer next; none when none arrived within `wait` seconds."""
        if not self._queue:
            calls = self._source.take(self._batch_size, wait)
            if len(calls) >= self._batch_size:
                self._admit_backlog()
            return calls
        self._admit_backlog()
        while self._queue:
            since, calls = self._queue.popleft()
            self.waiting -= len(calls)
            waited = time.monotonic() - since
            if waited < _MAX_BATCH_WAIT or not self._queue:
                return _reduce_remaining(calls, waited)
            self._refuse(calls)
        return ()

    def _admit_backlog(self) -> None:
        now = time.monotonic()
        for _ in range(_MAX_BACKLOG_BATCHES):
            calls = self._source.take(self._batch_size, 0.0)
            rest = self._drop_answered(calls)
            admitted = rest[: max(0, self._max_waiting - self.waiting)]
            if admitted:
                self._queue.append((now, admitted))
                self.waiting += len(admitted)
            self._refuse(rest[len(admitted) :])
            if len(calls) < self._batch_size:
                return

    def _drop_answered(self, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Return the calls that have to wait: neither answered from memory nor past their deadline."""
        rest = []
        for call in self._fast_path(calls) if calls else ():
            kind, handle, _, _, _, details = call
            if kind != CALL:
                continue
            if (remaining := details[REMAINING]) is not None and remaining <= 0:
                self._source.fail(handle, EXPIRED)
                self._observer.turned_away(EXPIRED.code.name, message=EXPIRED.message)
            else:
                rest.append(call)
        return rest

    def _refuse(self, calls: Sequence[QueuedCall]) -> None:
        for _, handle, *_ in calls:
            self._source.fail(handle, OVERLOADED)
        if calls:
            self._observer.turned_away(Reason.OVERLOADED.value, len(calls), message=OVERLOADED.message)


def _reduce_remaining(calls: Sequence[QueuedCall], waited: float) -> Sequence[QueuedCall]:
    """Subtract the waiting time from the remaining time of each call."""
    if waited < _MIN_WAIT:
        return calls
    return [_with_less_time(call, waited) for call in calls]


def _with_less_time(call: QueuedCall, waited: float) -> QueuedCall:
    kind, handle, method, request, client, (metadata, address, remaining) = call
    if remaining is None:
        return call
    return kind, handle, method, request, client, (metadata, address, remaining - waited)
