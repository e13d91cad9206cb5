"""Admission: of the calls that wait, as many as can be answered in time; the others are refused at once.

A front hands over what waits, a batch at a time. Only when a batch is full is there a look at what waits behind it:
until then, admission costs one comparison a batch.
"""

import time
from collections import deque
from collections.abc import Sequence

import grpc

from router.service.front import CALL, Failure, Front, Taken
from router.service.refusals import failure
from router.tally import Tally

REASON = "OVERLOADED"
_LOOKS = 8
"""Batches looked at behind a full one: a flood of refusals must not keep from answering."""
_OLD = 0.001
"""Seconds of waiting that are too few to be taken off a deadline."""


def overloaded() -> Failure:
    """What a refused caller is told."""
    words = "more calls wait than can be answered in time: ask another instance, or again in a moment"
    return failure(grpc.StatusCode.RESOURCE_EXHAUSTED, REASON, words, again=True)


class Admission:
    """Takes calls from a front.

    Args:
        batch: calls taken together.
        most: calls that may wait behind a batch.
        counts: told of each refusal.
    """

    def __init__(self, front: Front, *, batch: int, most: int, counts: Tally) -> None:
        self._front = front
        self._batch = batch
        self._most = most
        self._counts = counts
        self._refusal = overloaded()
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
        since, taken = self._queue.popleft()
        self.waiting -= len(taken)
        return _aged(taken, time.monotonic() - since)

    def _look_behind(self) -> None:
        now = time.monotonic()
        for _ in range(_LOOKS):
            taken = self._front.take(self._batch, 0.0)
            admitted = taken[: max(0, self._most - self.waiting)]
            if admitted:
                self._queue.append((now, admitted))
                self.waiting += len(admitted)
            self._refuse(taken[len(admitted) :])
            if len(taken) < self._batch:
                return

    def _refuse(self, taken: Sequence[Taken]) -> None:
        for call in taken:
            if call[0] == CALL:
                self._front.fail(call[1], self._refusal)
        if taken:
            self._counts.add(REASON, len(taken))


def _aged(taken: Sequence[Taken], waited: float) -> Sequence[Taken]:
    """The same calls, with as much less time left."""
    if waited < _OLD:
        return taken
    return [_later(call, waited) for call in taken]


def _later(call: Taken, waited: float) -> Taken:
    kind, ticket, method, request, client, details = call
    if details is None or details[2] is None:
        return call
    return kind, ticket, method, request, client, (details[0], details[1], details[2] - waited)
