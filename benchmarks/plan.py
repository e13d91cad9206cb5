"""The parts of a run: quick for development, full for published figures."""

from dataclasses import dataclass

from benchmarks.bar import CAPACITY, ECHO, EDGE, EDGE_ECHO, HALF, KEPT_ALIVE, LARGE, NEAR, REDIS, SMALL, TEXTBOOK
from benchmarks.figures import Load

SECTIONS = ("capacity", "latency", "numbers", "growth", "follower")

EIGHT = Load(CAPACITY)
ONE = Load("1x16", connections=1)
HTTP_LOAD = Load(KEPT_ALIVE, connections=32, streams=1)
"""HTTP/1.1 has one request at a time on a connection."""
SHARES = (0.1, 0.5, 0.75, 0.9)
PACED_BY = {EDGE: EDGE, EDGE_ECHO: EDGE}
"""The contestant whose capacity the rates of an open loop are shares of, so that both are asked at the same rate.

It is the near cache for all others."""
PAIRED = frozenset((NEAR, ECHO, EDGE, EDGE_ECHO))
"""Contestants whose latency the bar compares: they take a turn at half of the capacity in every round."""

KINDS = (
    Load("e164"),
    Load("national", form="national"),
    Load("refusals", kind="refusals"),
    Load("misses", kind="misses"),
    Load("mix", kind="mix"),
)
"""Loads with other numbers, on one start of a contestant."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rounds, durations and rates of a run.

    Attributes:
        rounds: turns of those that the bar compares; the median counts. The others take one.
        seconds: measured in each turn, after a third of it as warm-up.
        omitted: names that take no turn for capacity.
        latency: whose latency is measured over offered load; shares: of the capacity that `PACED_BY` names.
        kinds: whose answers to other numbers are measured.
        sizes, growers: numbers in Redis, and who is measured at each.
        databases, documents, flood: for the follower: databases to grow over, documents in all, seconds of writing.
    """

    rounds: int
    seconds: float
    capacity: tuple[Load, ...]
    omitted: frozenset[str]
    latency: tuple[str, ...]
    shares: tuple[float, ...]
    kinds: tuple[str, ...]
    sizes: tuple[int, ...]
    growers: tuple[str, ...]
    databases: tuple[int, ...]
    documents: int
    flood: float


QUICK = Plan(
    rounds=1,
    seconds=0.5,
    capacity=(EIGHT,),
    omitted=frozenset(
        f"{store} {transport}{extra}"
        for store in ("near", "redis", "fallback")
        for transport in ("native", "grpcio")
        for extra in (" x2", " batch", " stream")
    )
    | {"fallback grpcio", "redis grpcio"},
    latency=(NEAR, ECHO, EDGE, EDGE_ECHO),
    shares=(0.5,),
    kinds=(NEAR, REDIS),
    sizes=(SMALL,),
    growers=(),
    databases=(20,),
    documents=5_000,
    flood=1.0,
)
FULL = Plan(
    rounds=3,
    seconds=1.5,
    capacity=(EIGHT, ONE),
    omitted=frozenset(("near grpcio x2", "redis grpcio x2", "fallback grpcio")),
    latency=(NEAR, ECHO, EDGE, EDGE_ECHO, REDIS, "go map", "c++ map", TEXTBOOK),
    shares=SHARES,
    kinds=(NEAR, REDIS),
    sizes=(SMALL, LARGE),
    growers=(NEAR, REDIS),
    databases=(10, 500, 2_500),
    documents=50_000,
    flood=4.0,
)


def offered(shares: tuple[float, ...]) -> list[Load]:
    """Open loops at shares of a capacity."""
    return [Load(HALF if share == 0.5 else f"{share * 100:g} %", share=share) for share in shares]
