"""The figures of one turn of a contestant."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Load:
    """The load on a contestant, with its name in the table.

    Attributes:
        kind, form: of the numbers (benchmarks.directory).
        share: open loop at this share of the contestant's own capacity; 0 for the closed loop.
        warm: seconds before it is measured, at least; caches fill in them.
    """

    name: str
    connections: int = 8
    streams: int = 16
    kind: str = "hits"
    form: str = "e164"
    share: float = 0.0
    warm: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant under one load, once. Cores are CPU-seconds a second.

    Attributes:
        rate: right answers a second, of lookups (a batch has many).
        offered: lookups a second meant to be sent; 0 in the closed loop.
        wrong: answers with another status than the numbers call for; lost: no answer at all.
        cores: the server's whole process tree; redis, couchdb, generator: beside it.
        percentiles: milliseconds by percentile; empty where the load's own tool tells none.
    """

    contestant: str
    load: str
    numbers: int
    rate: float
    cores: float
    redis: float = 0.0
    couchdb: float = 0.0
    generator: float = 0.0
    offered: float = 0.0
    wrong: int = 0
    lost: int = 0
    megabytes: float = 0.0
    percentiles: dict[str, float] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_cpu(self) -> float:
        """Lookups per CPU-second of the server."""
        return self.rate / self.cores if self.cores > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return {**asdict(self), "per_cpu": round(self.per_cpu, 1)}


class Results:
    """Every turn of a run, and what else was seen."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.skipped: dict[str, str] = {}
        self.redis_bytes: dict[int, float] = {}
        self.other: dict[str, list[dict[str, float]]] = {}
        """Follower and warm-up, a row for each measurement."""

    def add(self, turn: Turn) -> None:
        """Keep a turn."""
        self.turns.append(turn)

    def of(self, contestant: str, load: str, numbers: int | None = None) -> list[Turn]:
        """The turns of a contestant under a load."""
        return [
            each
            for each in self.turns
            if each.contestant == contestant and each.load == load and numbers in {None, each.numbers}
        ]

    def value(self, contestant: str, load: str, what: str, numbers: int | None = None) -> float | None:
        """The median over rounds of "rate", "per_cpu", "megabytes" or a percentile; None where none was seen."""
        return middle(_value(each, what) for each in self.of(contestant, load, numbers))

    def pairs(self) -> list[tuple[str, str, int]]:
        """Contestant, load and numbers, each once, in the order seen."""
        return list(dict.fromkeys((each.contestant, each.load, each.numbers) for each in self.turns))


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what there is."""
    seen = [each for each in values if each is not None]
    return median(seen) if seen else None


def _value(turn: Turn, what: str) -> float | None:
    if what.startswith("p") and what[1:].replace(".", "").isdigit():
        return turn.percentiles.get(what[1:])
    value = getattr(turn, what)
    return float(value)
