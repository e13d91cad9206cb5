"""Admission: of the calls that wait, as many as can be answered in time; the others are refused at once.

A front hands over what waits, a batch at a time. Only when a batch is full is there a look at what waits behind it:
until then, admission costs one comparison a batch.
"""

import time
from collections import deque
from collections.abc import Sequence

import grpc

from router.numbers.routes import Reason
from router.runtime.counters import Counters
from router.server.api.status import OVERLOADED
from router.server.calls.call_source import CALL, Failure, Front, Nearby, Taken

_LOOKS = 8
"""Batches looked at behind a full one: a flood of refusals must not keep from answering."""
_OLD = 0.001
"""Seconds of waiting that are too few to be taken off a deadline."""
_TOO_LONG = 0.25
"""Seconds after which a batch that waited is refused, so that younger calls are answered and not only old ones."""

EXPIRED = Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the caller's deadline is over")


class Admission:
    """Takes calls from a front.

    Args:
        batch: calls taken together.
        most: calls that may wait behind a batch.
        nearby: answers what memory holds: that costs no more than to refuse it.
        counts: told of each refusal.
    """

    def __init__(self, front: Front, *, batch: int, most: int, nearby: Nearby, counts: Counters) -> None:
        self._front = front
        self._nearby = nearby
        self._batch = batch
        self._most = most
        self._counts = counts
        self._queue: deque[tuple[float, Sequence[Taken]]] = deque()
        self.waiting = 0

    def take(self, wait: float) -> Sequence[Taken]:
        """The calls to be answered next; none when none came in `wait` seconds."""
        if not self._queue:
            taken = self._front.take(self._batch, wait)
            if len(taken) >= self._batch:
                self._look_behind()
            return taken
        self._look_behind()
        while self._queue:
            since, taken = self._queue.popleft()
            self.waiting -= len(taken)
            waited = time.monotonic() - since
            if waited < _TOO_LONG or not self._queue:
                return _aged(taken, waited)
            self._refuse(taken)
        return ()

    def _look_behind(self) -> None:
        now = time.monotonic()
        for _ in range(_LOOKS):
            taken = self._front.take(self._batch, 0.0)
            rest = self._worth(taken)
            admitted = rest[: max(0, self._most - self.waiting)]
            if admitted:
                self._queue.append((now, admitted))
                self.waiting += len(admitted)
            self._refuse(rest[len(admitted) :])
            if len(taken) < self._batch:
                return

    def _worth(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """The calls that have to wait: neither answered nearby nor past their deadline."""
        rest = []
        for call in self._nearby(taken) if taken else ():
            if call[0] != CALL:
                continue
            if call[5][2] is not None and call[5][2] <= 0:
                self._front.fail(call[1], EXPIRED)
                self._counts.add("expired")
            else:
                rest.append(call)
        return rest

    def _refuse(self, taken: Sequence[Taken]) -> None:
        for call in taken:
            self._front.fail(call[1], OVERLOADED)
        if taken:
            self._counts.add(Reason.OVERLOADED.value, len(taken))


def _aged(taken: Sequence[Taken], waited: float) -> Sequence[Taken]:
    """The same calls, with as much less time left."""
    if waited < _OLD:
        return taken
    return [_later(call, waited) for call in taken]


def _later(call: Taken, waited: float) -> Taken:
    kind, ticket, method, request, client, details = call
    if details[2] is None:
        return call
    return kind, ticket, method, request, client, (details[0], details[1], details[2] - waited)
