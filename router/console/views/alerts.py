"""Firing alerts in words, each with its remedy: the rules of docs/operations.md, judged by what is shown now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.console.history import Point
from router.console.views.instances import FollowerPanel, InstanceState

BAD, WARN = "bad", "warn"

_SILENT_AFTER = 15.0
"""Seconds without a follower's status: longer than a standby takes to lead."""
_LAG = 5.0
_MISSES = 0.05
"""Share of lookups that CouchDB answers, once the cache is warm."""
_MIN_LOOKUP_RATE = 1.0
"""Lookups a second below which a share means nothing."""
_READS_IN_FLIGHT = 200.0
_RECENT = 60.0


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing alert.

    Attributes:
        level: bad (calls fail) or warn.
        effect: on calls.
        remedy: what to do.
    """

    level: str
    title: str
    effect: str
    remedy: str


def firing(
    states: Sequence[InstanceState],
    follower: FollowerPanel | None,
    points: Sequence[Point],
    reads_in_flight: float,
    now: float,
) -> list[Alert]:
    """Return the firing alerts, the gravest first.

    Args:
        now: on the monotonic clock of the points.
    """
    found = [*_of_instances(states), *_of_stores(states), *_of_follower(states, follower)]
    found += _of_figures([point for point in points if now - point.at <= _RECENT], reads_in_flight)
    return sorted(found, key=lambda alert: alert.level != BAD)


def _of_instances(states: Sequence[InstanceState]) -> Iterator[Alert]:
    for instance in states:
        if instance.problem and not instance.refused:
            yield Alert(
                BAD,
                f"{instance.instance} does not answer",
                f"Nothing is known of its workers ({instance.problem}); they may still answer calls.",
                "See whether the process runs on that machine, and whether this one may connect to its admin address.",
            )
        hanging = [name for name, state in sorted(instance.workers.items()) if state is None]
        if hanging and not instance.problem:
            yield Alert(
                BAD,
                f"{_workers(hanging)} of {instance.instance} does not answer",
                "Calls on its connections wait, or it is being started.",
                "If it stays so for a minute, kill its process (its log lines name it); a new one starts.",
            )


def _of_stores(states: Sequence[InstanceState]) -> Iterator[Alert]:
    workers = _answering(states)
    if workers and not any(state.get("state") in {"ready", "warming"} for state in workers.values()):
        yield Alert(
            BAD,
            "No worker can answer calls",
            "Calls fail.",
            "Both stores are away, or CouchDB is and Redis is empty: restore CouchDB first.",
        )
    away = {name: state for name, state in workers.items() if not state.get("redis")}
    if away:
        yield Alert(
            WARN,
            f"Redis is away for {_share(away, workers)}",
            "Every call outside the near caches goes to CouchDB, and answers are marked stale. "
            f"{_reason(away, 'Redis')}",
            "Restore Redis. Empty or not, the follower fills in what is missing.",
        )
    away = {name: state for name, state in workers.items() if not state.get("database")}
    if away:
        yield Alert(
            WARN,
            f"CouchDB is away for {_share(away, workers)}",
            f"Numbers in no cache are not answered, and changes are not seen. {_reason(away, 'CouchDB')}",
            "Restore CouchDB. A refused password is tried again every 90 s: did-router check reaches every store.",
        )
    stale = {name: state for name, state in workers.items() if state.get("stale")}
    if stale:
        yield Alert(
            WARN,
            f"Answers are marked stale by {_share(stale, workers)}",
            "Answers may lack changes; most are right.",
            "It ends by itself when Redis, CouchDB and a follower are back: see the other alerts.",
        )


def _of_follower(states: Sequence[InstanceState], follower: FollowerPanel | None) -> Iterator[Alert]:
    if not _answering(states):
        return
    if follower is None or follower.age > _SILENT_AFTER:
        last = "" if follower is None else f" The last one, {follower.leader}, is silent for {follower.age:,.0f} s."
        yield Alert(
            WARN,
            "No follower leads",
            f"No changes are applied to the cache.{last}",
            "Start one: did-router follow, or serve --with-follower.",
        )
        return
    if follower.lag > _LAG:
        yield Alert(
            WARN,
            f"Behind by {follower.lag:,.0f} s in {follower.behind:,} of {follower.databases:,} databases",
            "Changes become visible late.",
            "The table of shards names the databases; the cause is a bulk load, or a slow CouchDB.",
        )
    if follower.complete < follower.databases:
        yield Alert(
            WARN,
            f"{follower.databases - follower.complete:,} of {follower.databases:,} databases are not in the cache yet",
            "Each miss costs a database read.",
            "Normal after a start. If it stays so, the follower's log names the failing database and the reason.",
        )
    if follower.copies_pending:
        yield Alert(
            WARN,
            f"{follower.copies_pending:,} account copies wait",
            "Interfaces list old numbers; calls are not affected.",
            "If it stays so, the follower's log names the account and the reason.",
        )


def _of_figures(recent: Sequence[Point], reads_in_flight: float) -> Iterator[Alert]:
    overloaded = sum(point.refusals.get("OVERLOADED", 0.0) for point in recent)
    if overloaded > 0:
        yield Alert(
            BAD,
            f"{overloaded / len(recent):,.1f} calls a second are refused as OVERLOADED",
            "Callers are refused.",
            "Add workers or machines, or make CouchDB faster; limit the open calls of each caller.",
        )
    lookups = sum(point.lookups for point in recent)
    misses = sum(point.sources.get("number_database", 0.0) for point in recent)
    if recent and lookups / len(recent) >= _MIN_LOOKUP_RATE and misses > _MISSES * lookups:
        yield Alert(
            WARN,
            f"CouchDB answers {misses / lookups:.0%} of the lookups",
            "Each costs a database read.",
            "Normal while the cache is being filled. Else did-router check names an evicting Redis, and "
            "did-router audit what the cache lacks.",
        )
    if reads_in_flight > _READS_IN_FLIGHT:
        yield Alert(
            WARN,
            f"{reads_in_flight:,.0f} numbers are being read from CouchDB or wait for it",
            "Calls will soon be refused.",
            "Check CouchDB; couchdb_read_pool_size limits its load.",
        )
    if any(point.unknown_accounts > 0 for point in recent):
        yield Alert(
            WARN,
            "Calls go to accounts without a document",
            "They are routed, and counted.",
            'Repair the numbers, or set unknown_account = "refuse".',
        )


def _answering(states: Sequence[InstanceState]) -> dict[str, Mapping[str, Any]]:
    return {f"{each.instance} {name}": state for each in states for name, state in each.answering.items()}


def _workers(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"


def _share(some: Mapping[str, Any], every: Mapping[str, Any]) -> str:
    if len(some) == len(every):
        return "every worker" if len(every) > 1 else "the worker"
    return f"{len(some)} of {len(every)} workers"


def _reason(states: Mapping[str, Mapping[str, Any]], store: str) -> str:
    """Return what the first worker says of a store."""
    for state in states.values():
        for part in str(state.get("why", "")).split("; "):
            if part.startswith(f"{store}: "):
                return f"({part})"
    return ""
