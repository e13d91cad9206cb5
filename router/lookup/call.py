"""A lookup that waits for its answer."""

from typing import Protocol

from router.numbers.routes import Refused


class StepNotes(Protocol):
    """Notes the steps of a lookup."""

    def step(self, name: str) -> None:
        """Note that a step, which began where the last one ended, is over."""


class Call:
    """A lookup that is answered exactly once: by `route`, `refuse` or `expire`.

    Subclasses send the answer to where the call came from. One answer source at a time holds a call, and the reads of
    the number database hand each waiting call out once, so no call is answered twice.

    Attributes:
        number: the number as the caller wrote it.
        dial_plan: name of the dial plan; empty for the system's.
        authoritative: bypasses every cache.
        deadline: on the monotonic clock, seconds.
        e164: the normalised number; empty before normalisation.
        raw: the request's bytes, where the same bytes may arrive again.
        source: store whose content decided a refusal, for the counts; "none" where no store was asked.
        trace: notes the steps of a lookup that gets a span; None for any other.
    """

    __slots__ = ("authoritative", "deadline", "dial_plan", "e164", "number", "raw", "source", "trace")

    def __init__(
        self, number: str, dial_plan: str, deadline: float, *, authoritative: bool, raw: bytes | None = None
    ) -> None:
        self.number = number
        self.dial_plan = dial_plan
        self.authoritative = authoritative
        self.deadline = deadline
        self.e164 = ""
        self.raw = raw
        self.source = "none"
        self.trace: StepNotes | None = None

    def route(self, answer: bytes) -> None:
        """Answer with a serialised LookupResponse."""
        raise NotImplementedError

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        raise NotImplementedError

    def expire(self) -> None:
        """End a call whose deadline has passed: its caller reads no answer any more."""
        raise NotImplementedError
