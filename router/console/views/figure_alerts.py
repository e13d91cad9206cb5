"""Alerts that the figures of /metrics decide."""

from collections.abc import Callable, Iterator, Sequence

from router.console import alert_rules as rules
from router.console.history import Point, add
from router.console.views.firing import Alert, Figures
from router.console.views.text import age

_MIN_LOOKUP_RATE = 1.0
"""Lookups a second below which a share means nothing."""
_VISIBLE_IN_TIME = 1.0
"""Seconds; the objective for changes."""


def firing_figures(figures: Figures, *, is_complete: bool) -> Iterator[Alert]:
    """Yield the firing alerts.

    Args:
        is_complete: every database is in the cache, so that misses are no matter of the start.
    """
    yield from _of_lookups(figures, is_complete=is_complete)
    yield from _of_workers(figures)
    late = _late_changes(figures.points)
    if late > rules.MAX_LATE_CHANGES:
        yield Alert(rules.CHANGES_LATE, f"{late:.0%} of changes became visible after more than a second")


def _of_lookups(figures: Figures, *, is_complete: bool) -> Iterator[Alert]:
    whole = figures.points
    overloaded = _mean(figures.last(min(rules.OVERLOADED.windows)), lambda point: point.refusals.get("OVERLOADED", 0.0))
    if overloaded > 0:
        yield Alert(rules.OVERLOADED, f"{overloaded:,.1f} calls a second are refused as OVERLOADED")
    if any(point.unknown_accounts > 0 for point in whole):
        yield Alert(rules.UNKNOWN_ACCOUNTS, "Calls go to accounts without a document")
    recent = figures.last(min(rules.MISSES.windows))
    if _mean(recent, lambda point: point.lookups) < _MIN_LOOKUP_RATE:
        return
    misses = _share(recent, lambda point: point.misses)
    if is_complete and misses > rules.MAX_MISSES:
        yield Alert(rules.MISSES, f"{misses:.0%} of the lookups find nothing in a cache")
    recent = figures.last(min(rules.FAILING.windows))
    failed = _share(recent, lambda point: point.failed)
    if failed > rules.MAX_FAILED and _share(whole, lambda point: point.failed) > rules.MAX_FAILED:
        yield Alert(rules.FAILING, f"{failed:.1%} of the lookups fail")
    slow = _slow(figures.last(min(rules.SLOW.windows)))
    if slow > rules.MAX_SLOW and _slow(whole) > rules.MAX_SLOW:
        yield Alert(rules.SLOW, f"{slow:.1%} of the Lookup calls take more than 50 ms")


def _of_workers(figures: Figures) -> Iterator[Alert]:
    reading = max(((each.in_flight, name) for name, each in figures.workers.items()), default=(0.0, ("", "")))
    if reading[0] > rules.MAX_READS_IN_FLIGHT:
        yield Alert(rules.COUCHDB_SLOW, f"{reading[0]:,.0f} numbers wait for CouchDB at {_name(reading[1])}")
    restarts: dict[str, float] = {}
    for point in figures.points:
        add(restarts, {_name(worker): count for worker, count in point.restarts.items()})
    for worker, count in restarts.items():
        if count > rules.MAX_RESTARTS:
            yield Alert(rules.WORKERS_RESTART, f"{worker} ended {count:,.0f} times in a quarter of an hour")
    hashes = {each.settings for each in figures.workers.values() if each.settings}
    if len(hashes) > 1:
        yield Alert(rules.SETTINGS_DIFFER, f"Processes run with {len(hashes)} different settings")
    expiries = [expiry for each in figures.workers.values() for expiry in each.certificates.items()]
    for setting in sorted({name for name, _ in expiries}):
        left = min(expiry for name, expiry in expiries if name == setting) - figures.time
        if left < rules.EXPIRY_NOTICE:
            when = f"expires in {age(left)}" if left > 0 else "has expired"
            yield Alert(rules.CERTIFICATE_EXPIRES, f"The certificate of {setting} {when}")


def _name(worker: tuple[str, str]) -> str:
    return f"{worker[1]} of {worker[0]}"


def _mean(points: Sequence[Point], value: Callable[[Point], float]) -> float:
    return sum(map(value, points)) / len(points) if points else 0.0


def _share(points: Sequence[Point], part: Callable[[Point], float]) -> float:
    lookups = sum(point.lookups for point in points)
    return sum(map(part, points)) / lookups if lookups else 0.0


def _slow(points: Sequence[Point]) -> float:
    """Return the share of Lookup calls that took longer than promised."""
    return _beyond(rules.SLOW_CALL, [point.latency for point in points])


def _late_changes(points: Sequence[Point]) -> float:
    return _beyond(_VISIBLE_IN_TIME, [point.changes for point in points])


def _beyond(bound: float, histograms: Sequence[dict[float, float]]) -> float:
    every = sum(sum(each.values()) for each in histograms)
    beyond = sum(count for each in histograms for upper, count in each.items() if upper > bound)
    return beyond / every if every else 0.0
