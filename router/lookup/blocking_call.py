"""A lookup whose caller is a waiting thread."""

import threading
import time

from router.entries.codec import refusal_message
from router.lookup.call import Call
from router.numbers.routes import Reason, Refused
from router.v1 import inbound_pb2 as pb

_SLACK = 0.5
"""Seconds beyond the deadline in which an outcome may still arrive."""


class BlockingCall(Call):
    """A call that a thread waits for."""

    __slots__ = ("_done", "_outcome")

    def __init__(self, number: str, dial_plan: str, deadline: float, *, authoritative: bool) -> None:
        super().__init__(number, dial_plan, deadline, authoritative=authoritative)
        self._done = threading.Event()
        self._outcome = pb.LookupOutcome()

    def wait(self) -> pb.LookupOutcome:
        """Return the outcome; a refusal where none arrived by the deadline."""
        if not self._done.wait(max(0.0, self.deadline - time.monotonic()) + _SLACK):
            self.expire()
        return self._outcome

    def route(self, answer: bytes) -> None:
        """Answer with a serialised LookupResponse."""
        self._outcome.route.ParseFromString(answer)
        self._done.set()

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        self._outcome.refusal.CopyFrom(refusal_message(refusal))
        self._done.set()

    def expire(self) -> None:
        """Answer with NUMBER_DATABASE_UNAVAILABLE: the deadline has passed."""
        self.refuse(Refused(Reason.NUMBER_DATABASE_UNAVAILABLE, self.e164, message="no answer in time"))
