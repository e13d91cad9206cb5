"""`make soak`: many seeds, one after the other, and a table of what was seen."""

import signal
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from tests.faults.clocks import MISSING, library
from tests.faults.faults import CATALOGUE
from tests.faults.filling import MAX_FILLERS
from tests.faults.nodes import RealNodes
from tests.faults.plans import Ground, plan_of
from tests.faults.run import Report, run_plan

_HEAD = (
    "| fault | runs | calls | wrong | old, not flagged | for at most | old, flagged | for at most | past deadline "
    "| time to heal | differences |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@click.command()
@click.option("--seed", type=int, default=0, help="The first seed.")
@click.option("--seeds", type=int, help="How many; the first ones are each fault alone.")
@click.option("--fault", "faults", multiple=True, type=click.Choice(list(CATALOGUE)), help="These faults together.")
@click.option("--only-nodes", is_flag=True, help="Only faults of a cluster's nodes, then pairs with one of them.")
@click.option("--repeat", type=int, default=1, help="How often each fault comes alone.")
@click.option(
    "--couchdb-url",
    help="A real CouchDB, which must hold no numbers of its own. A cluster's nodes are separated by commas, as in "
    "http://admin:password@host:1,host:2,host:3, and have to be on this machine.",
)
@click.option("--nodes", type=click.IntRange(1, 9), default=1, help="Have the embedded CouchDB imitate so many nodes.")
@click.option("--node-pids", help="Files with the process ids of a real cluster's nodes, separated by commas.")
@click.option("--node-start", help="A command that starts node {node} (counted from 1) of a real cluster.")
@click.option("--node-isolate", default="", help="A command that cuts node {node} off from the others.")
@click.option("--node-join", default="", help="A command that undoes that.")
@click.option("--documents", type=click.IntRange(0, MAX_FILLERS), default=0, help="Further numbers in each database.")
@click.option("--sweep", type=float, help="Seconds between two sweeps (default: a minute, longer than most runs).")
@click.option("--copies", is_flag=True, help="With account copies, in every run that allows them.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("soak"),
    help="Writes OUTPUT.json and .md, and for each bad run a folder OUTPUT-seed-N with its evidence.",
)
def main(seed: int, seeds: int | None, output: Path, **options: Any) -> None:
    """Kill, freeze, cut and flush, and see that no answer is wrong.

    Each seed is one run, and does the same again: first each fault alone, then random pairs. Exits with 1 when
    a run was not good.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the deployment is closed all the same
    ground = _ground(options)
    names = [name for name, fault in CATALOGUE.items() if ground.allows(fault)]
    if library() is None:
        click.echo(MISSING, err=True)
        names = [name for name in names if not CATALOGUE[name].clocks]
    alone = [name for name in names if CATALOGUE[name].on_nodes or not options["only_nodes"]] * options["repeat"]
    seeds = len(alone) if seeds is None else seeds
    reports: list[Report] = []
    for number in range(seed, seed + seeds):
        plan = plan_of(number, options["faults"], names=names, alone=alone, copies=options["copies"])
        try:
            reports.append(run_plan(plan, ground, output.with_name(f"{output.name}-seed-{number}")))
        except Exception as problem:  # noqa: BLE001 - the other seeds go on
            click.echo(f"seed {number}: the run itself failed ({plan.name}): {problem!r}", err=True)
            continue
        click.echo(f"{'good' if reports[-1].is_good else 'BAD '} {reports[-1]}")
        output.with_suffix(".json").write_bytes(
            orjson.dumps([report.as_dict() for report in reports], option=orjson.OPT_INDENT_2)
        )
        output.with_suffix(".md").write_text(table(reports) + "\n", "utf-8")
    click.echo(table(reports))
    sys.exit(len(reports) < seeds or not all(report.is_good for report in reports))


def _ground(options: Mapping[str, Any]) -> Ground:
    """Return what the options say of CouchDB."""
    settings = {} if options["sweep"] is None else {"follower_reconcile_interval": options["sweep"]}
    url, pids, start = options["couchdb_url"], options["node_pids"], options["node_start"]
    if url and "," in url:
        if not pids or not start:
            raise click.UsageError("a real cluster wants --node-pids and --node-start, too")
        files = [Path(each) for each in pids.split(",")]
        try:
            cluster = RealNodes(url, files, start, options["node_isolate"], options["node_join"])
        except ValueError as problem:
            raise click.UsageError(str(problem)) from None
        return Ground(cluster=cluster, documents=options["documents"], settings=settings)
    return Ground(url, nodes=options["nodes"], documents=options["documents"], settings=settings)


def table(reports: Sequence[Report]) -> str:
    """A line for each fault alone, then one for all pairs, then the sum."""
    by_fault: defaultdict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_fault[report.plan.name if len(report.plan.faults) == 1 else "pairs of these"].append(report)
    lines = [_line(name, some) for name, some in by_fault.items()]
    return "\n".join([_HEAD, *lines, _line("**all**", reports)])


def _line(name: str, reports: Sequence[Report]) -> str:
    healed = [report.healed for report in reports]
    longest_heal = "never" if None in healed else f"{max((each or 0.0 for each in healed), default=0.0):.1f} s"
    cells: list[object] = [
        name,
        len(reports),
        f"{sum(report.calls for report in reports):,}",
        sum(len(report.wrong) for report in reports),
        sum(report.stale for report in reports),
        f"{max((report.longest for report in reports), default=0.0):.2f} s",
        sum(report.flagged_stale for report in reports),
        f"{max((report.longest_flagged for report in reports), default=0.0):.2f} s",
        sum(report.late for report in reports),
        longest_heal,
        sum(report.differences or 0 for report in reports),
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
