"""The parts of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import feeding, warming
from benchmarks.arena import Arena, arena
from benchmarks.bar import CAPACITY, COMPARED, HALF, LARGE, NEAR, REDIS
from benchmarks.contestants import Contestant
from benchmarks.deployment import deployment
from benchmarks.figures import Load, Results
from benchmarks.match import Match
from benchmarks.plan import EIGHT, HTTP_LOAD, KINDS, PACED_BY, PAIRED, Plan, offered


@dataclass(frozen=True, slots=True)
class Run:
    """The inputs of every part."""

    plan: Plan
    match: Match
    results: Results
    contestants: Sequence[Contestant]
    couchdb_url: str | None

    def named(self, names: Sequence[str]) -> list[Contestant]:
        """Return the contestants of these names that take part."""
        return [each for each in self.contestants if each.name in names]

    def taking_turn(self, number: int) -> list[Contestant]:
        """Return all contestants in the first round, in later ones those that the bar compares."""
        return [each for each in self.contestants if number == 0 or each.name in COMPARED]


def capacity(run: Run, on: Arena) -> None:
    """As many as they can: every contestant, by turns, in several rounds."""
    for number in range(run.plan.rounds):
        print(f"capacity, round {number + 1} of {run.plan.rounds}")
        for who in run.taking_turn(number):
            if who.name not in run.plan.omitted:
                run.match.play(on, who, _loads(run.plan, who, first=number == 0), seconds=run.plan.seconds)


def _loads(plan: Plan, who: Contestant, *, first: bool) -> Sequence[Load]:
    """One connection is for comparing loads, not contestants: once is enough."""
    if who.tool == "http":
        return [HTTP_LOAD]
    return plan.capacity if first and who.tool == "grpc" else [EIGHT]


def latency(run: Run, on: Arena) -> None:
    """Measure the latency of a call at rates below capacity."""
    print("latency over offered load (open loop, from the intended time of sending)")
    for who in run.named((NEAR, *run.plan.latency)):
        if not run.results.of(who.name, CAPACITY):
            run.match.play(on, who, [EIGHT], seconds=run.plan.seconds)
    for number in range(run.plan.rounds):
        for who in run.named(run.plan.latency):
            if number == 0 or who.name in PAIRED:
                base = run.results.value(PACED_BY.get(who.name, NEAR), CAPACITY, "rate")
                own = run.results.value(who.name, CAPACITY, "rate")
                # The bar compares at half of the capacity; the rest is for the picture, once.
                loads = [each for each in offered(run.plan.shares) if number == 0 or each.name == HALF]
                run.match.play(on, who, loads, seconds=run.plan.seconds, rate=_rates(base, own))


def _rates(base: float | None, own: float | None) -> Callable[[Load], float]:
    """Shares of the base's capacity for whoever comes near it, shares of its own for the others."""
    if base is None or own is None:
        return lambda _load: 0.0
    reference = base if own >= 0.6 * base else own
    return lambda load: load.share * reference


def _half_of_first(seen: Results, name: str) -> Callable[[Load], float]:
    """Half of the capacity at the smallest size, so that the rate is the same at every size."""

    def rate(load: Load) -> float:
        turns = seen.of(name, "growth")
        return turns[0].rate * load.share if turns else 0.0

    return rate


def numbers(run: Run, on: Arena) -> None:
    """Other numbers: national form, refusals, misses, a mix; beside E.164 on the same start."""
    print("other numbers")
    for number in range(min(run.plan.rounds, 2)):
        for who in run.named(run.plan.kinds if number == 0 else (NEAR, REDIS)):
            # The second round backwards, so that what drifts hurts each as often.
            loads = KINDS if number == 0 else KINDS[::-1]
            run.match.play(on, who, loads, seconds=run.plan.seconds)


def growth(run: Run) -> None:
    """Capacity, p99 and memory as Redis holds more numbers."""
    closed, gentle = Load("growth", warm=3), Load("growth, half", share=0.5)
    # Long enough for more numbers than the near cache keeps: its memory at the bound.
    spread = Load("spread", kind="spread", warm=10)
    for size in run.plan.sizes:
        print(f"growth: {size:,} numbers")
        with arena(size) as on:
            run.results.redis_bytes[size] = on.redis_bytes
            for who in run.named(run.plan.growers):
                # The closed loop twice: by single turns the sizes compared as 0.56 in one run and 0.99 in another.
                loads = [closed, gentle, closed, *([spread] if who.name == NEAR and size == LARGE else [])]
                run.match.play(on, who, loads, seconds=run.plan.seconds, rate=_half_of_first(run.results, who.name))


def follower(run: Run) -> None:
    """Warm-up beside plain reading, and a flood of changes, as there are more databases."""
    plan = run.plan
    for count in plan.databases:
        with deployment(run.couchdb_url, count, plan.documents) as on:
            warmed = warming.measure(on, plan.documents)
            print(
                f"  warm-up {warmed['warm']:,.0f}/s, plain reading {warmed['plain']:,.0f}/s,"
                f" a copy {warmed['copy']:,.0f}/s"
            )
            fed = feeding.feed(on, plan.documents, plan.flood)
            print(f"  {feeding.summary(fed)}")
        run.results.other.setdefault("warming", []).append(warmed)
        run.results.other.setdefault("feeding", []).append(fed.row())
