"""The batch loop: whatever calls wait on a front are taken and answered together."""

import logging
import threading
import time
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from router.cache.entry import STALE
from router.cache.near import NearEntry
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

    def __init__(self, front: Front, ticket: Any, raw: bytes, deadline: float) -> None:
        request = pb.LookupRequest.FromString(raw)
        super().__init__(
            request.number,
            request.dial_plan,
            deadline,
            authoritative=request.consistency == pb.AUTHORITATIVE,
            raw=raw,
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
        near_cache_on = self._lookup.near.on
        while not self._stop.is_set():
            taken = self._front.take(self._most, _WAIT)
            if taken and near_cache_on:
                taken = self._answer_nearby(taken)
            if taken:
                self._answer(taken)

    def _answer_nearby(self, taken: list[Taken]) -> list[Taken]:
        """Answer what was asked before in these very bytes; return the rest.

        This is the way of nearly every call: a dictionary, a set, and the answer as it is.
        """
        lookup = self._lookup
        stale = lookup.near_is_stale
        if stale is None:
            return taken
        known, respond, enabled = lookup.near.raw.get, self._front.respond, lookup.may_be_called
        now = time.monotonic()
        rest = []
        routed = 0
        for call in taken:
            ticket, raw, deadline = call
            entry = known(raw)
            if entry is None or not entry.alive or entry.until < now or (deadline is not None and deadline <= now):
                rest.append(call)
            elif entry.answer is None:
                self._refuse_again(ticket, entry)
            elif enabled(entry.account):
                routed += 1
                respond(ticket, entry.answer + STALE if stale else entry.answer)
            else:
                rest.append(call)
        if routed:
            lookup.counts.add("near_cache", routed)
        return rest

    def _refuse_again(self, ticket: Any, entry: NearEntry) -> None:
        if entry.prepared is None:
            entry.prepared = failure_of(entry.refusal)
        self._lookup.counts.add(entry.refusal.reason.value)
        self._front.fail(ticket, entry.prepared)

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
        ticket, request, deadline = taken
        if deadline is None:
            deadline = time.monotonic() + self._time_limit
        try:
            return FrontCall(self._front, ticket, request, deadline)
        except DecodeError:
            self._front.fail(ticket, _MALFORMED)
            return None
