"""One attack on one service, and what came of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.abuse.attack import Attack
from tests.abuse.harness import LIMIT, Harness, Watch

_LINES = 2
"""Lines that an attack may put into the log: one of its kind, and one of somebody else's."""
_LATE = 0.1
"""Seconds that a deadline may be told late on a busy machine."""


@dataclass(frozen=True)
class Trial:
    """The result of an attack.

    Attributes:
        before, highest, after: bytes of the service's memory.
        right: the good caller's right answers.
        others: what else he was told, and how often.
        worst: seconds of his slowest call.
        saw: the attacker.
        logged: lines.
    """

    attack: Attack
    front: str
    before: int
    highest: int
    after: int
    right: int
    others: dict[str, int]
    worst: float
    saw: str
    logged: Sequence[str]

    @property
    def faults(self) -> Iterator[str]:
        """Return what must not be."""
        if len(self.logged) > _LINES:
            yield f"{len(self.logged)} lines logged: {self.logged[:3]}"
        if self.front in self.attack.hurts:
            return
        if not self.right:
            yield "the good caller got no right answer"
        grown = self.highest - self.before >> 20
        if grown > self.attack.megabytes:
            yield f"memory grew by {grown} MB, {self.attack.megabytes} are allowed"
        if self.others or self.worst > LIMIT + _LATE:
            yield f"the good caller was told {self.others}, and waited for {self.worst:.2f} s"

    @property
    def row(self) -> str:
        """For the table."""
        memory = " → ".join(f"{each >> 20:,}" for each in (self.before, self.highest, self.after))
        others = ", ".join(f"{count} {what}" for what, count in self.others.items()) or "none"
        return (
            f"| {self.attack.name} | {self.front} | {memory} | {self.right:,} | {others} | {self.worst * 1000:.0f} ms "
            f"| {self.saw} | {len(self.logged)} |"
        )


def attempt(harness: Harness, attack: Attack, seconds: float, settle: float) -> Trial:
    """Attack for so many seconds, then look on for a moment."""
    before, result = harness.memory(), len(harness.process.lines)
    harness.caller.begin_anew()
    watch = Watch(harness)
    saw = attack.begin(harness, seconds)
    time.sleep(settle)
    watch.stop()
    reported = dict(harness.caller.reported)
    right = reported.pop("right", 0)
    logged = harness.process.lines[result:]
    worst = harness.caller.worst
    return Trial(attack, harness.front, before, watch.highest, harness.memory(), right, reported, worst, saw, logged)
