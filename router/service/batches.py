"""The batch loop: whatever calls wait on a front are taken and answered together."""

import logging
import threading
import time
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from router.lookup.answer import Lookup
from router.lookup.call import Call
from router.numbers.routes import Refused
from router.service.front import Failure, Front, Taken
from router.service.refusals import failure_of
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_WAIT = 0.1
"""Seconds after which an idle loop looks whether it is to stop."""

_EXPIRED = Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the caller's deadline is over")
_MALFORMED = Failure(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a router.v1.LookupRequest")
_BROKEN = Failure(grpc.StatusCode.INTERNAL, "answering failed; the service's log says why")


class FrontCall(Call):
    """A unary call that waits on a front."""

    __slots__ = ("_front", "ticket")

    def __init__(self, front: Front, ticket: Any, request: pb.LookupRequest, deadline: float) -> None:
        super().__init__(
            request.number,
            request.dial_plan,
            deadline,
            authoritative=request.consistency == pb.AUTHORITATIVE,
        )
        self._front = front
        self.ticket = ticket

    def route(self, answer: bytes) -> None:
        """Answer with a serialised LookupResponse."""
        self._front.respond(self.ticket, answer)

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        self._front.fail(self.ticket, failure_of(refusal))

    def expire(self) -> None:
        """The caller's deadline is over."""
        self._front.fail(self.ticket, _EXPIRED)


class BatchLoop:
    """Takes calls from a front and has them answered, in a thread of its own.

    Args:
        most: calls taken together.
        time_limit: seconds for calls without a deadline of their own.
    """

    def __init__(self, front: Front, lookup: Lookup, *, most: int, time_limit: float) -> None:
        self._front = front
        self._lookup = lookup
        self._most = most
        self._time_limit = time_limit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookup-batches", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop when what was taken is answered or handed on."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            taken = self._front.take(self._most, _WAIT)
            if taken:
                self._answer(taken)

    def _answer(self, taken: list[Taken]) -> None:
        calls = [call for call in map(self._call, taken) if call is not None]
        try:
            self._lookup.answer(calls)
        except Exception:
            # Never seen; a caller must not wait for the deadline because of it, nor the loop end.
            log.exception("answering a batch of %d failed", len(calls))
            for call in calls:
                self._front.fail(call.ticket, _BROKEN)

    def _call(self, taken: Taken) -> FrontCall | None:
        deadline = taken.deadline
        if deadline is None:
            deadline = time.monotonic() + self._time_limit
        try:
            request = pb.LookupRequest.FromString(taken.request)
        except DecodeError:
            self._front.fail(taken.ticket, _MALFORMED)
            return None
        return FrontCall(self._front, taken.ticket, request, deadline)
