"""Firing alerts in words, each with its remedy: the alerts' table, judged by what is shown now."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router.console import alert_rules as rules
from router.console.alert_rules import Severity
from router.console.views.figure_alerts import firing_figures
from router.console.views.firing import Alert, Figures
from router.console.views.instances import FollowerPanel, InstanceState

__all__ = ["Alert", "Figures", "firing"]

_ORDER = list(Severity)


def firing(states: Sequence[InstanceState], follower: FollowerPanel | None, figures: Figures) -> list[Alert]:
    """Return the firing alerts, the gravest first."""
    is_complete = follower is not None and follower.complete >= follower.databases
    found = [*_of_instances(states), *_of_stores(states), *_of_follower(states, follower)]
    found += firing_figures(figures, is_complete=is_complete)
    return sorted(found, key=lambda alert: _ORDER.index(alert.rule.severity))


def _of_instances(states: Sequence[InstanceState]) -> Iterator[Alert]:
    for instance in states:
        if instance.problem and not instance.refused:
            yield Alert(rules.INSTANCE_SILENT, f"{instance.instance} does not answer", instance.problem)
        hanging = [name for name, state in sorted(instance.workers.items()) if state is None]
        if hanging and not instance.problem:
            yield Alert(rules.WORKER_HANGS, f"{_workers(hanging)} of {instance.instance} does not answer")


def _of_stores(states: Sequence[InstanceState]) -> Iterator[Alert]:
    workers = _answering(states)
    if workers and not any(state.get("state") in {"ready", "warming"} for state in workers.values()):
        yield Alert(rules.NO_ANSWERS, "No worker can answer calls")
    for rule, store, name in (
        (rules.REDIS_UNREACHABLE, "redis", "Redis"),
        (rules.COUCHDB_UNREACHABLE, "database", "CouchDB"),
    ):
        away = {worker: state for worker, state in workers.items() if not state.get(store)}
        if away:
            yield Alert(rule, f"{name} is away for {_share(away, workers)}", _reason(away, name))
    stale = {name: state for name, state in workers.items() if state.get("stale")}
    if stale:
        yield Alert(rules.STALE, f"Answers are marked stale by {_share(stale, workers)}")


def _of_follower(states: Sequence[InstanceState], follower: FollowerPanel | None) -> Iterator[Alert]:
    if not _answering(states):
        return
    if follower is None:
        yield Alert(rules.NO_FOLLOWER, "No follower leads")
        return
    if follower.age > rules.SILENT_AFTER:
        last = f"the last one, {follower.leader}, is silent for {follower.age:,.0f} s"
        yield Alert(rules.NO_FOLLOWER, "No follower leads", last)
        return
    if follower.lag > rules.MAX_LAG:
        title = f"Behind by {follower.lag:,.0f} s in {follower.behind:,} of {follower.databases:,} databases"
        yield Alert(rules.BEHIND, title)
    if follower.complete < follower.databases:
        missing = f"{follower.databases - follower.complete:,} of {follower.databases:,} databases"
        yield Alert(rules.NOT_COMPLETE, f"{missing} are not in the cache yet", "normal for a while after a start")
    if follower.copies_pending:
        yield Alert(rules.ACCOUNT_COPIES_WAIT, f"{follower.copies_pending:,} account copies wait")


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
                return part
    return ""
