"""The batcher: takes all calls that wait at a call source, and answers them together."""

import logging
import threading
import time
from collections.abc import Sequence

import grpc
from google.protobuf.message import DecodeError

from router.entries.codec import STALE
from router.lookup.call import Call
from router.lookup.engine import LookupEngine
from router.near_cache.cache import NearEntry
from router.numbers.routes import Refused
from router.runtime.cpu_affinity import pinned_to
from router.server.api.consistency import UnknownConsistencyError, is_authoritative
from router.server.api.limits import MAX_MESSAGE_BYTES
from router.server.api.status import failure_of
from router.server.calls.admission import EXPIRED, Admission
from router.server.calls.call_source import CALL, REMAINING, CallHandle, CallSource, QueuedCall
from router.server.failure import Failure
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_TAKE_TIMEOUT = 0.1
"""Seconds that an idle batcher waits for a call before it checks for its stop."""

_MALFORMED = Failure(grpc.StatusCode.INVALID_ARGUMENT, "the request is not a router.v1.LookupRequest")
_TOO_LONG = Failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED, f"the request is longer than {MAX_MESSAGE_BYTES} bytes: it is no LookupRequest"
)
_BROKEN = Failure(grpc.StatusCode.INTERNAL, "answering failed; the service's log says why")


class UnaryCall(Call):
    """A unary call of a call source; it counts as unanswered until it has a response."""

    __slots__ = ("_source", "_unanswered", "handle")

    def __init__(
        self, source: CallSource, handle: CallHandle, raw: bytes, deadline: float, unanswered: "set[UnaryCall]"
    ) -> None:
        request = pb.LookupRequest.FromString(raw)
        super().__init__(
            request.number,
            request.dial_plan,
            deadline,
            authoritative=is_authoritative(request),
            raw=raw,
        )
        self._source = source
        self.handle = handle
        self._unanswered = unanswered
        unanswered.add(self)

    def route(self, answer: bytes) -> None:
        """Respond with a serialised LookupResponse."""
        self._source.respond(self.handle, answer)
        self._unanswered.discard(self)

    def refuse(self, refusal: Refused) -> None:
        """Respond with a refusal."""
        self.fail(failure_of(refusal))

    def expire(self) -> None:
        """Respond with DEADLINE_EXCEEDED."""
        self.fail(EXPIRED)

    def fail(self, failure: Failure) -> None:
        """Respond with a status."""
        self._source.fail(self.handle, failure)
        self._unanswered.discard(self)


class Batcher:
    """Takes calls from a call source and answers them, in its own thread.

    Args:
        batch_size: maximum number of calls taken together.
        max_waiting: calls that may wait behind a batch; more are refused.
        default_timeout: seconds for calls without a deadline of their own.
        core: pins the thread; None for any core.
        name: of the thread.
    """

    def __init__(
        self,
        source: CallSource,
        lookup: LookupEngine,
        *,
        name: str = "batcher",
        batch_size: int,
        max_waiting: int,
        default_timeout: float,
        core: int | None = None,
    ) -> None:
        self._source = source
        self._lookup = lookup
        self._admission = Admission(
            source,
            batch_size=batch_size,
            max_waiting=max_waiting,
            fast_path=self._answer_from_memory,
            counts=lookup.counts,
        )
        self._default_timeout = default_timeout
        self._core = core
        self._unanswered: set[UnaryCall] = set()
        source.attach(self._answer_from_memory, lambda: len(self._unanswered) + self._admission.waiting)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the taken calls are answered or handed on."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        with pinned_to(self._core):
            self._take_and_answer()

    def _take_and_answer(self) -> None:
        while not self._stop.is_set():
            calls = self._admission.take(_TAKE_TIMEOUT)
            if calls:
                calls = self._answer_from_memory(calls)
            if calls:
                self._answer(calls)

    def _answer_from_memory(self, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Answer the calls whose exact request bytes are in the near cache; return the rest.

        Nearly every call takes this path: a dictionary, a set, and the stored response as it is.
        """
        lookup = self._lookup
        stale = lookup.near_is_stale
        if stale is None or not lookup.near.enabled:
            return calls
        cached, respond, enabled = lookup.near.by_request.get, self._source.respond, lookup.enabled_accounts
        rest = []
        refused = 0
        for call in calls:
            _, handle, _, request, _, details = call  # no details: an event that is no call, such as a reset
            entry = cached(request)
            if entry is None or ((remaining := details[REMAINING]) is not None and remaining <= 0):
                rest.append(call)
            elif entry.account in enabled and (answer := entry.answer) is not None:
                respond(handle, answer + STALE if stale else answer)
            elif entry.answer is None and entry.until > time.monotonic():
                refused += 1
                self._refuse_again(handle, entry)
            else:
                rest.append(call)
        routed = len(calls) - len(rest) - refused
        if routed:
            lookup.counts.add("near_cache", routed)
        return rest

    def _refuse_again(self, handle: CallHandle, entry: NearEntry) -> None:
        if entry.prepared is None:
            entry.prepared = failure_of(entry.refusal)
        self._lookup.counts.add(entry.refusal.reason.value)
        self._source.fail(handle, entry.prepared)

    def _answer(self, queued: Sequence[QueuedCall]) -> None:
        calls = [call for call in map(self._parse, queued) if call is not None]
        try:
            self._lookup.answer(calls)
        except Exception:
            # Never observed. The callers must not wait for their deadlines because of it, and the loop must go on.
            log.exception("answering a batch of %d failed", len(calls))
            for call in calls:
                call.fail(_BROKEN)

    def _parse(self, queued: QueuedCall) -> UnaryCall | None:
        """Parse the request; respond with a status, and return None, where that fails."""
        kind, handle, _, request, _, details = queued
        if kind != CALL:
            return None
        remaining = details[REMAINING]
        if len(request) > MAX_MESSAGE_BYTES:  # the native source accepts messages of any length
            self._source.fail(handle, _TOO_LONG)
            return None
        timeout = self._default_timeout if remaining is None else remaining
        try:
            return UnaryCall(self._source, handle, request, time.monotonic() + timeout, self._unanswered)
        except DecodeError:
            self._source.fail(handle, _MALFORMED)
        except UnknownConsistencyError as problem:
            self._source.fail(handle, problem.failure)
        return None
