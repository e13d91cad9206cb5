"""The figures of the last 15 minutes, as rates: a point a poll."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from router.console.figures import WorkerFigures

SPAN = 900.0
"""Seconds that the charts show."""
INTERVAL = 2.0
"""Seconds between two polls."""
_MAX_GAP = 5 * INTERVAL
"""Seconds without a figure after which a worker's rate begins again: a longer gap would be spread over one point."""

WorkerName = tuple[str, str]
"""An instance's address, and the name of one of its workers."""
K = TypeVar("K", str, float)


@dataclass(frozen=True, slots=True)
class Point:
    """Rates at one time, of all workers together.

    Attributes:
        at: on the monotonic clock.
        sources, refusals: lookups a second, by source and by reason.
        latency: lookups a second that took at most so many seconds and longer than the bound before.
        failed, misses: lookups a second that got no answer, and that found nothing in a cache.
        changes: changes a second, by the bound of the time after which they were visible.
        unknown_accounts: answers a second for accounts without a document.
        by_worker: lookups a second, by worker.
        restarts: since the point before, by worker.
    """

    at: float
    sources: dict[str, float] = field(default_factory=dict)
    refusals: dict[str, float] = field(default_factory=dict)
    latency: dict[float, float] = field(default_factory=dict)
    failed: float = 0.0
    misses: float = 0.0
    changes: dict[float, float] = field(default_factory=dict)
    unknown_accounts: float = 0.0
    by_worker: dict[WorkerName, float] = field(default_factory=dict)
    restarts: dict[WorkerName, float] = field(default_factory=dict)

    @property
    def lookups(self) -> float:
        """Lookups a second."""
        return sum(self.sources.values()) + sum(self.refusals.values())


class History:
    """Keeps the points of the last `SPAN` seconds, and each process's last figures."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque()
        self._last: dict[WorkerName, tuple[float, WorkerFigures]] = {}
        self._added_at: float | None = None

    @property
    def points(self) -> Sequence[Point]:
        """The points, oldest first."""
        return list(self._points)

    def current(self, instances: Collection[str]) -> dict[WorkerName, WorkerFigures]:
        """Return the figures of the instances' processes that answered the last poll.

        They are more than the workers: the supervisor counts restarts and knows the certificates.
        """
        return {
            name: figures for name, (at, figures) in self._last.items() if at == self._added_at and name[0] in instances
        }

    def add(self, at: float, figures: Mapping[WorkerName, WorkerFigures]) -> None:
        """Add what a poll found.

        Args:
            at: on the monotonic clock.
            figures: of the workers that answered.
        """
        deltas = {
            name: (current, *self._last[name])
            for name, current in figures.items()
            if name in self._last and 0 < at - self._last[name][0] <= _MAX_GAP
        }
        if deltas:
            self._points.append(_point(at, deltas))
        self._last |= {name: (at, current) for name, current in figures.items()}
        self._added_at = at
        self._last = {name: kept for name, kept in self._last.items() if at - kept[0] <= SPAN}
        while self._points and at - self._points[0].at > SPAN:
            self._points.popleft()


def add(into: dict[K, float], more: Mapping[K, float]) -> None:
    """Add values to those of the same names."""
    for name, value in more.items():
        into[name] = into.get(name, 0.0) + value


def quantile(latency: Mapping[float, float], share: float) -> float | None:
    """Return the bound in seconds below which a share of the lookups lies, interpolated inside of its bucket.

    Args:
        latency: lookups by the upper bound of their bucket, as in `Point`.
        share: 0 to 1.
    """
    total = sum(latency.values())
    if total <= 0:
        return None
    wanted, below, lower = total * share, 0.0, 0.0
    for bound in sorted(latency):
        count = latency[bound]
        if below + count >= wanted and count > 0:
            return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / count
        below, lower = below + count, bound
    return lower


def _point(at: float, deltas: Mapping[WorkerName, tuple[WorkerFigures, float, WorkerFigures]]) -> Point:
    point = Point(at)
    failed = misses = unknown = 0.0
    for name, (now, then, before) in deltas.items():
        seconds = at - then
        # A restarted worker counts from 0 again: what it counts now is what it did since.
        base = before if now.lookups >= before.lookups else WorkerFigures()
        routes, refused = _rates(now.sources, base.sources, seconds), _rates(now.refusals, base.refusals, seconds)
        add(point.sources, routes)
        add(point.refusals, refused)
        add(point.latency, _rates(_by_bucket(now.latency), _by_bucket(base.latency), seconds))
        add(point.changes, _rates(_by_bucket(now.changes), _by_bucket(base.changes), seconds))
        failed += max(0.0, now.failed - base.failed) / seconds
        misses += max(0.0, now.misses - base.misses) / seconds
        unknown += max(0.0, now.unknown_accounts - base.unknown_accounts) / seconds
        point.by_worker[name] = sum(routes.values()) + sum(refused.values())
        point.restarts[name] = max(0.0, now.restarts - before.restarts)
    return replace(point, failed=failed, misses=misses, unknown_accounts=unknown)


def _rates(now: Mapping[K, float], before: Mapping[K, float], seconds: float) -> dict[K, float]:
    return {name: max(0.0, count - before.get(name, 0.0)) / seconds for name, count in now.items()}


def _by_bucket(cumulative: Mapping[float, float]) -> dict[float, float]:
    """Return the counts between two bounds."""
    bounds = sorted(cumulative)
    counts = {bounds[0]: cumulative[bounds[0]]} if bounds else {}
    return counts | {upper: cumulative[upper] - cumulative[lower] for lower, upper in pairwise(bounds)}
