"""The batch loop: whatever calls wait on a front are taken and answered together."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from router.entries.codec import STALE
from router.lookup.call import Call
from router.lookup.engine import LookupEngine
from router.near_cache.cache import NearEntry
from router.numbers.routes import Refused
from router.runtime.cpu_affinity import pinned_to
from router.server.api.consistency import UnknownConsistencyError, is_authoritative
from router.server.api.status import failure_of
from router.server.calls.admission import EXPIRED, Admission
from router.server.calls.call_source import CALL, LONGEST_MESSAGE, Failure, Front, Taken
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_WAIT = 0.1
"""Seconds after which an idle loop looks whether it is to stop."""

_MALFORMED = Failure(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a router.v1.LookupRequest")
_TOO_LONG = Failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED, f"the request is longer than {LONGEST_MESSAGE} bytes: it is no LookupRequest"
)
_BROKEN = Failure(grpc.StatusCode.INTERNAL, "answering failed; the service's log says why")


class FrontCall(Call):
    """A unary call that waits on a front; it is among the unanswered until it is answered."""

    __slots__ = ("_front", "_unanswered", "ticket")

    def __init__(self, front: Front, ticket: Any, raw: bytes, deadline: float, unanswered: "set[FrontCall]") -> None:
        request = pb.LookupRequest.FromString(raw)
        super().__init__(
            request.number,
            request.dial_plan,
            deadline,
            authoritative=is_authoritative(request),
            raw=raw,
        )
        self._front = front
        self.ticket = ticket
        self._unanswered = unanswered
        unanswered.add(self)

    def route(self, answer: bytes) -> None:
        """Answer with a serialised LookupResponse."""
        self._front.respond(self.ticket, answer)
        self._unanswered.discard(self)

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        self.fail(failure_of(refusal))

    def expire(self) -> None:
        """The caller's deadline is over."""
        self.fail(EXPIRED)

    def fail(self, failure: Failure) -> None:
        """End with a status."""
        self._front.fail(self.ticket, failure)
        self._unanswered.discard(self)


class BatchLoop:
    """Takes calls from a front and has them answered, in a thread of its own.

    Args:
        most: calls taken together.
        waiting: calls that may wait behind those; more are refused.
        time_limit: seconds for calls without a deadline of their own.
        core: where its thread stays; None for anywhere.
    """

    def __init__(
        self,
        front: Front,
        lookup: LookupEngine,
        *,
        most: int,
        waiting: int,
        time_limit: float,
        core: int | None = None,
    ) -> None:
        self._front = front
        self._lookup = lookup
        self._admission = Admission(front, batch=most, most=waiting, nearby=self._answer_nearby, counts=lookup.counts)
        self._time_limit = time_limit
        self._core = core
        self._unanswered: set[FrontCall] = set()
        front.attach(self._answer_nearby, lambda: len(self._unanswered) + self._admission.waiting)
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
        with pinned_to(self._core):
            self._take_and_answer()

    def _take_and_answer(self) -> None:
        while not self._stop.is_set():
            taken = self._admission.take(_WAIT)
            if taken:
                taken = self._answer_nearby(taken)
            if taken:
                self._answer(taken)

    def _answer_nearby(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """Answer what was asked before in these very bytes; return the rest.

        This is the way of nearly every call: a dictionary, a set, and the answer as it is.
        """
        lookup = self._lookup
        stale = lookup.near_is_stale
        if stale is None or not lookup.near.on:
            return taken
        known, respond, enabled = lookup.near.raw.get, self._front.respond, lookup.enabled_accounts
        rest = []
        refused = 0
        for call in taken:
            entry = known(call[3])
            if entry is None or ((left := call[5][2]) is not None and left <= 0):
                rest.append(call)
            elif entry.account in enabled and (answer := entry.answer) is not None:
                respond(call[1], answer + STALE if stale else answer)
            elif entry.answer is None and entry.until > time.monotonic():
                refused += 1
                self._refuse_again(call[1], entry)
            else:
                rest.append(call)
        routed = len(taken) - len(rest) - refused
        if routed:
            lookup.counts.add("near_cache", routed)
        return rest

    def _refuse_again(self, ticket: Any, entry: NearEntry) -> None:
        if entry.prepared is None:
            entry.prepared = failure_of(entry.refusal)
        self._lookup.counts.add(entry.refusal.reason.value)
        self._front.fail(ticket, entry.prepared)

    def _answer(self, taken: Sequence[Taken]) -> None:
        calls = [call for call in map(self._call, taken) if call is not None]
        try:
            self._lookup.answer(calls)
        except Exception:
            # Never seen; a caller must not wait for the deadline because of it, nor the loop end.
            log.exception("answering a batch of %d failed", len(calls))
            for call in calls:
                call.fail(_BROKEN)

    def _call(self, taken: Taken) -> FrontCall | None:
        kind, ticket, _, request, _, details = taken
        if kind != CALL:
            return None
        if len(request) > LONGEST_MESSAGE:  # native hands over messages of any length
            self._front.fail(ticket, _TOO_LONG)
            return None
        left = self._time_limit if details[2] is None else details[2]
        try:
            return FrontCall(self._front, ticket, request, time.monotonic() + left, self._unanswered)
        except DecodeError:
            self._front.fail(ticket, _MALFORMED)
        except UnknownConsistencyError as problem:
            self._front.fail(ticket, problem.failure)
        return None
