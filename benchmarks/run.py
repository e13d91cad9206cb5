"""Measure everything, side by side: python -m benchmarks.run (benchmarks/README.md explains it)."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import generator, machine, plots, report, sections
from benchmarks.arena import arena
from benchmarks.bar import SMALL
from benchmarks.contestants import GROUPS, Contestant, all_contestants
from benchmarks.figures import Results
from benchmarks.generator import LoadError
from benchmarks.match import Match
from benchmarks.peers import build
from benchmarks.peers.build import BuildError
from benchmarks.plan import FULL, QUICK, SECTIONS
from benchmarks.sections import Run
from router.couch.client import CouchClient
from router.couch.server import CouchServer

_RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run it."""
    given = _options()
    if (reason := generator.missing()) is not None:
        raise SystemExit(f"nothing can be measured: {reason}")
    generator.build()
    about, results, plan = machine.describe(), Results(), QUICK if given.quick else FULL
    about["number_database"] = _database(given.couchdb_url)
    print(f"on {machine.summary(about)}")
    wanted = set(given.only) & set(SECTIONS) or set(SECTIONS)
    run = Run(plan, Match(results), results, _contestants(set(given.only)), given.couchdb_url)
    compile_peers(run.contestants)
    began = time.monotonic()
    try:
        _measure(run, wanted)
    except KeyboardInterrupt:
        print("interrupted: what was measured so far follows")
    report.show(results, about)
    path = report.save(results, about, given.out, sys.argv[1:])
    pictures = plots.draw(results, given.out)
    print(f"{time.monotonic() - began:.0f} s; written: {', '.join(map(str, (path, *pictures)))}")


def _measure(run: Run, wanted: set[str]) -> None:
    if wanted & {"capacity", "latency", "numbers"}:
        with arena(SMALL) as on:
            run.results.redis_bytes[SMALL] = on.redis_bytes
            for name, part in (
                ("capacity", sections.capacity),
                ("latency", sections.latency),
                ("numbers", sections.numbers),
            ):
                if name in wanted:
                    part(run, on)
    if "growth" in wanted and run.plan.growers:
        sections.growth(run)
    if "follower" in wanted:
        print("follower")
        sections.follower(run)


def _contestants(only: set[str]) -> list[Contestant]:
    """Return all contestants, or those of the groups and names given."""
    everyone = all_contestants()
    names = {each.name for each in everyone}
    if not only & (names | set(GROUPS)):
        return everyone
    return [each for each in everyone if each.group in only or each.name in only]


def _database(url: str | None) -> str:
    """The database of the follower's part."""
    return f"CouchDB {CouchServer(CouchClient(url, timeout=10)).version()}" if url else "embedded"


def compile_peers(contestants: Sequence[Contestant]) -> None:
    """Before the clock starts; what can't be compiled is skipped at its turn, with the compiler's words."""
    for name, missing, make in (
        ("go", build.go_missing, build.go_server),
        ("c++", build.cpp_missing, build.cpp_server),
    ):
        if missing() is None and any(each.name.startswith(name) for each in contestants):
            try:
                make()
            except BuildError as problem:
                print(f"  {name}: {problem}")


def _options() -> argparse.Namespace:
    names = [each.name for each in all_contestants()]
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--quick", action="store_true", help="a look, under a minute")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WHAT",
        choices=[*SECTIONS, *GROUPS, *names],
        help=f"repeatable; parts: {', '.join(SECTIONS)}; groups: {', '.join(GROUPS)}; or a contestant's name",
    )
    made.add_argument("--couchdb-url", help="for the follower's part: a real CouchDB that holds nothing else")
    made.add_argument("--out", type=Path, default=_RESULTS, help="folder for JSON and plots (benchmarks/results)")
    return made.parse_args()


if __name__ == "__main__":
    try:
        main()
    except LoadError as problem:
        raise SystemExit(str(problem)) from None
