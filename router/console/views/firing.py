"""A firing alert, and the figures that alerts are judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.console.alert_rules import AlertRule, Severity
from router.console.figures import WorkerFigures
from router.console.history import Point, WorkerName

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
    def remedy(self) -> str:
        """Return what to do."""
        return self.rule.remedy


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
