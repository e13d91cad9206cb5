"""Traces of calls that hold several lookups: LookupBatch and LookupStream."""

import threading
import time
from collections import Counter

from router.server.observation.steps import Step
from router.server.observation.trace_context import TraceContext

_MAX_TURNS = 64
"""Turns of a call whose steps are noted: a stream may go on for days, and a span has three children for each."""


class Turn:
    """Lookups of a call that are answered together; several threads note their steps.

    Its steps may overlap: some of its lookups wait for CouchDB while Redis answers others. Steps that are noted after
    the last response are those of no lookup.

    Args:
        lookups: answered together.
        results: counts them.
    """

    def __init__(self, lookups: int, results: Counter[str]) -> None:
        self._open = lookups
        self._results = results
        self._lock = threading.Lock()
        self._noted_at = time.time_ns()
        self._steps: dict[str, Step] = {}

    def step(self, name: str) -> None:
        """Note that a lookup passed a step, which began where another one ended."""
        with self._lock:
            if not self._open:
                return
            now = time.time_ns()
            known = self._steps.get(name)
            self._steps[name] = Step(name, self._noted_at if known is None else known.began, now)
            self._noted_at = now

    def count(self, result: str) -> None:
        """Count a lookup that has its response."""
        with self._lock:
            self._results[result] += 1
            self._open -= 1

    def steps(self) -> list[Step]:
        """Return what was noted."""
        with self._lock:
            return list(self._steps.values())


class CallTrace:
    """A call of several lookups that gets a span.

    Attributes:
        context: of its caller; None where it is sampled of our own accord.
        began: Unix nanoseconds.
        results: lookups by result.
    """

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context
        self.began = time.time_ns()
        self.results: Counter[str] = Counter()
        self._turns: list[Turn] = []

    def turn(self, lookups: int) -> Turn:
        """Return what notes the next lookups that are answered together."""
        turn = Turn(lookups, self.results)
        if len(self._turns) < _MAX_TURNS:
            self._turns.append(turn)
        return turn

    def steps(self) -> tuple[Step, ...]:
        """Return the steps of its turns."""
        return tuple(step for turn in self._turns for step in turn.steps())
