"""One lookup that waits for its answer, whoever asked and however the answer goes back."""

from typing import Protocol

from router.numbers.routes import Refused


class StepNotes(Protocol):
    """Notes the steps of a lookup."""

    def step(self, name: str) -> None:
        """Note that a step, which began where the last one ended, is over."""


class Call:
    """A lookup to be answered exactly once: by `route`, `refuse` or `expire`.

    Fronts derive from it and say how an answer travels. Whoever answers makes sure that it is the only one:
    the lookup either answers a call itself or hands it to the fallback, which takes it from a flight once.

    Attributes:
        number: as the switch has it.
        dial_plan: its name; empty for the system's.
        authoritative: past every cache.
        deadline: on the monotonic clock, seconds.
        raw: the request's bytes, where the same bytes may be asked again.
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
        """The caller's deadline is over: nobody reads an answer any more."""
        raise NotImplementedError
