"""A firing alert, and the figures that alerts are judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.console.alert_rules import AlertRule, Severity
from router.console.figures import WorkerFigures
from router.console.history import SPAN, Point, WorkerName

_LEVELS = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: "info"}


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing alert.

    Attributes:
        detail: of this case; empty for none.
    """

    rule: AlertRule
    title: str
    detail: str = ""

    @property
    def level(self) -> str:
        """Return bad, warn or info."""
        return _LEVELS[self.rule.severity]

    @property
    def effect(self) -> str:
        """Return what it does to calls."""
        return f"{self.rule.effect} ({self.detail})" if self.detail else self.rule.effect

    @property
    def judged_by(self) -> str:
        """Return why Prometheus may judge otherwise: it waits, or looks back for longer than the console's memory."""
        longest = max(self.rule.windows, default=0)
        differs = f"Prometheus waits {self.rule.wait}" if self.rule.wait else ""
        if longest > SPAN:
            looks = f"looks back {longest // 3600} h"
            differs = f"{differs} and {looks}" if differs else f"Prometheus {looks}"
        if not differs:
            return ""
        return f"Judged by {_here(longest)}. {differs}, so its alert may begin and end at other times."

    @property
    def remedy(self) -> str:
        """Return what to do."""
        return self.rule.remedy


def _here(longest: int) -> str:
    """Return what the console judges by."""
    seconds = min(longest, int(SPAN))
    return f"the last {seconds // 60} min" if seconds else "what is known now"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of /metrics that the console has.

    Attributes:
        points: of the last quarter of an hour, oldest first.
        workers: the last figures of each worker.
        now: on the monotonic clock of the points.
        time: Unix time.
    """

    points: Sequence[Point] = ()
    workers: Mapping[WorkerName, WorkerFigures] = field(default_factory=dict)
    now: float = 0.0
    time: float = 0.0

    def last(self, seconds: float) -> list[Point]:
        """Return the points of the last so many seconds."""
        return [point for point in self.points if self.now - point.at <= seconds]
