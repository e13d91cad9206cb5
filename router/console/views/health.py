"""The health page: a sentence, alerts, charts, tables."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.console.charts import Chart, Series, area_chart, line_chart
from router.console.figures import names
from router.console.history import SPAN, History, Point, add, quantile
from router.console.views.alerts import Alert, Figures, firing
from router.console.views.instances import (
    FRESH,
    FollowerPanel,
    InstanceState,
    ShardRow,
    WorkerRow,
    follower_of,
    follower_panel,
    shard_rows,
    worker_rows,
)

_BINS = 90
"""Points of a chart: ten seconds each."""
_MINUTES = SPAN / 60
_SOURCES = {
    "near_cache": "near cache",
    "redis": "Redis",
    "number_database": "CouchDB",
    "port_request": "port request",
}
_MAX_REASONS = 6


@dataclass(frozen=True, slots=True)
class Health:
    """The page.

    Attributes:
        level: ok, warn, bad or old.
        word: the level in a word.
        sentence: the state of everything.
        figures_age: seconds since figures arrived; None where none did.
        refused: instances that this visitor's token does not open.
    """

    level: str
    word: str
    sentence: str
    alerts: list[Alert]
    charts: list[Chart]
    figures_age: float | None
    workers: list[WorkerRow]
    shards: list[ShardRow]
    shards_contain: str
    follower: FollowerPanel | None
    refused: list[InstanceState]

    @property
    def figures_are_old(self) -> bool:
        """The figures are too old to be taken for the present ones."""
        return self.figures_age is None or self.figures_age > FRESH


def health(
    states: list[InstanceState],
    history: History,
    figures_age: float | None,
    now: float,
    *,
    stale_after: float,
    shards_contain: str = "",
) -> Health:
    """Make the page.

    Args:
        now: on the monotonic clock of the history.
    """
    points = history.points
    follower = follower_panel(states, stale_after)
    fresh = points[-1] if points and figures_age is not None and figures_age <= FRESH else None
    current = {} if fresh is None else history.current({each.instance for each in states if each.workers})
    alerts = firing(states, follower, Figures(points, current, now, time.time()))
    found = follower_of(states)
    memory = {name: figures.memory for name, figures in current.items()}
    level, word = _level(states, alerts)
    return Health(
        level,
        word,
        _sentence(states, alerts, follower, fresh),
        alerts,
        charts(points, now),
        figures_age,
        list(worker_rows(states, fresh, memory)),
        shard_rows(None if found is None else found[0], shards_contain),
        shards_contain,
        follower,
        [each for each in states if each.refused],
    )


def charts(points: Sequence[Point], now: float) -> list[Chart]:
    """Return the four charts of the last 15 minutes."""
    bins = _bins(points, now)
    means = [None if not each else sum(point.lookups for point in each) / len(each) for each in bins]
    sources = names(point.sources for point in points)
    reasons = names(point.refusals for point in points)[:_MAX_REASONS]
    return [
        line_chart("Lookups", "/s", [Series("all", means)], minutes=_MINUTES),
        line_chart(
            "Time of a lookup",
            "ms",
            [Series("p50", _quantiles(bins, 0.5)), Series("p99", _quantiles(bins, 0.99))],
            minutes=_MINUTES,
        ),
        area_chart(
            "Routes by source",
            "%",
            [Series(text, _shares(bins, name)) for name, text in _SOURCES.items() if name in sources],
            minutes=_MINUTES,
            top=100.0,
        ),
        area_chart(
            "Refusals by reason", "/s", [Series(name, _refusals(bins, name)) for name in reasons], minutes=_MINUTES
        ),
    ]


def _bins(points: Sequence[Point], now: float) -> list[list[Point]]:
    bins: list[list[Point]] = [[] for _ in range(_BINS)]
    for point in points:
        index = _BINS - 1 - int((now - point.at) * _BINS / SPAN)
        if 0 <= index < _BINS:
            bins[index].append(point)
    return bins


def _quantiles(bins: Sequence[Sequence[Point]], share: float) -> list[float | None]:
    values = []
    for points in bins:
        merged: dict[float, float] = {}
        for point in points:
            add(merged, point.latency)
        seconds = quantile(merged, share)
        values.append(None if seconds is None else seconds * 1000)
    return values


def _shares(bins: Sequence[Sequence[Point]], source: str) -> list[float | None]:
    values = []
    for points in bins:
        total = sum(sum(point.sources.values()) for point in points)
        part = sum(point.sources.get(source, 0.0) for point in points)
        values.append(None if not total else 100 * part / total)
    return values


def _refusals(bins: Sequence[Sequence[Point]], reason: str) -> list[float | None]:
    return [
        None if not points else sum(point.refusals.get(reason, 0.0) for point in points) / len(points)
        for points in bins
    ]


def _level(states: Sequence[InstanceState], alerts: Sequence[Alert]) -> tuple[str, str]:
    if not any(each.answering for each in states):
        return ("old", "not known") if all(each.refused for each in states) else ("bad", "down")
    levels = {alert.level for alert in alerts}
    if "bad" in levels:
        return "bad", "critical"
    return ("warn", "impaired") if "warn" in levels else ("ok", "healthy")


def _sentence(
    states: Sequence[InstanceState], alerts: Sequence[Alert], follower: FollowerPanel | None, fresh: Point | None
) -> str:
    workers: Mapping[str, object] = {f"{each.instance} {name}": 0 for each in states for name in each.answering}
    if not workers and states and all(each.refused for each in states):
        return "Your token does not open the admin pages, so the state is not shown."
    if not workers:
        return "No instance answers: nothing is known of the service."
    serving = any(state.get("state") in {"ready", "warming"} for each in states for state in each.answering.values())
    count = f"{len(workers)} worker{'' if len(workers) == 1 else 's'}"
    rate = "" if fresh is None else f" at {fresh.lookups:,.0f} lookups a second"
    if not serving:
        return f"Not serving. {alerts[0].title if alerts else count}."
    if alerts:
        more = f", and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        return f"Serving{rate}. {alerts[0].title}{more}."
    databases = "" if follower is None else f"; {follower.databases:,} databases are followed, none is behind"
    return f"Serving{rate} with {count}{databases}."
