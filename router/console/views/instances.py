"""The states of instances and their workers, as the tables of the health page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from router.console.history import Point, WorkerName
from router.console.views.text import NONE, age

FRESH = 5.0
"""Seconds after which a value is shown as old."""


@dataclass(frozen=True, slots=True)
class InstanceState:
    """The last state that an instance showed.

    Attributes:
        workers: each worker's state; None for one that did not answer.
        age: seconds since then.
        problem: why there is none now; empty where `age` is 0.
        refused: the visitor's token does not open it.
    """

    instance: str
    workers: Mapping[str, Mapping[str, Any] | None]
    age: float = 0.0
    problem: str = ""
    refused: bool = False

    @property
    def is_old(self) -> bool:
        """The state is too old to be taken for the present one."""
        return self.age > FRESH or bool(self.problem)

    @property
    def answering(self) -> dict[str, Mapping[str, Any]]:
        """The workers that answered, where the state is not old."""
        return {} if self.is_old else {name: state for name, state in self.workers.items() if state is not None}


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A row of the table of workers.

    Attributes:
        level: ok, warn, bad or old.
        state: in words.
        memory: bytes; None: not known.
    """

    instance: str
    worker: str
    level: str
    state: str
    reason: str
    uptime: float | None
    lookups: float | None
    memory: float | None


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A database that is behind.

    Attributes:
        lag: seconds.
        share: of the largest lag, 0 to 1, for its bar.
    """

    database: str
    lag: float
    share: float


@dataclass(frozen=True, slots=True)
class FollowerPanel:
    """The leading follower.

    Attributes:
        age: seconds since its status.
    """

    leader: str
    phase: str
    databases: int
    complete: int
    behind: int
    lag: float
    applied: int
    feeds: int
    copies_pending: int
    age: float
    is_old: bool


_LEVELS = {"ready": "ok", "warming": "warn", "draining": "warn", "no data": "bad"}


def worker_rows(
    states: list[InstanceState], last: Point | None, memory: Mapping[WorkerName, float | None]
) -> Iterator[WorkerRow]:
    """Yield a row for each worker, and one for each instance without any."""
    for instance in states:
        if not instance.workers:
            level = "old" if instance.refused else "bad"
            yield WorkerRow(instance.instance, NONE, level, "not read", instance.problem, None, None, None)
        for worker, state in sorted(instance.workers.items()):
            name = (instance.instance, worker)
            rate = None if last is None else last.by_worker.get(name)
            yield _worker_row(instance, worker, state, rate, memory.get(name))


def _worker_row(
    instance: InstanceState, worker: str, state: Mapping[str, Any] | None, rate: float | None, memory: float | None
) -> WorkerRow:
    if state is None:
        reason = instance.problem or "hangs, or is not in service"
        return WorkerRow(instance.instance, worker, "bad", "no answer", reason, None, None, None)
    name = str(state.get("state", "unknown"))
    level = "old" if instance.is_old else _LEVELS.get(name, "warn")
    if level == "ok" and (state.get("stale") or not state.get("database") or not state.get("redis")):
        level = "warn"
    reason = instance.problem or str(state.get("why", ""))
    if instance.is_old:
        reason = f"{reason}: this is {age(instance.age)} old"
    return WorkerRow(instance.instance, worker, level, name, reason, state.get("uptime_seconds"), rate, memory)


def shard_rows(follower: Mapping[str, Any] | None, contains: str = "") -> list[ShardRow]:
    """Return the databases that are behind, the furthest first.

    Args:
        contains: only those with this in their name.
    """
    lags = dict((follower or {}).get("lags") or {})
    largest = max(lags.values(), default=0.0) or 1.0
    found = [ShardRow(name, float(lag), lag / largest) for name, lag in lags.items() if contains in name and lag > 0]
    return sorted(found, key=lambda row: (-row.lag, row.database))


def follower_of(states: list[InstanceState]) -> tuple[Mapping[str, Any], InstanceState] | None:
    """Return the newest status of a follower that any worker knows, and the instance that showed it."""
    known = [
        (state["follower"], instance)
        for instance in states
        for state in instance.workers.values()
        if state is not None and state.get("follower")
    ]
    return min(known, key=lambda pair: pair[1].age + pair[0].get("age_seconds", 0.0), default=None)


def follower_panel(states: list[InstanceState], stale_after: float) -> FollowerPanel | None:
    """Return the follower's panel; None where no worker knows of one."""
    found = follower_of(states)
    if found is None:
        return None
    status, instance = found
    age = float(status.get("age_seconds", 0.0)) + instance.age
    return FollowerPanel(
        str(status.get("leader", "")),
        str(status.get("phase", "")),
        int(status.get("databases", 0)),
        int(status.get("complete", 0)),
        int(status.get("behind", 0)),
        float(status.get("lag", 0.0)),
        int(status.get("applied", 0)),
        int(status.get("feeds", 0)),
        int(status.get("copies_pending", 0)),
        age,
        age > min(stale_after, FRESH) or instance.is_old,
    )
