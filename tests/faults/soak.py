"""`make soak`: many seeds, one after the other, and a table of what was seen."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from tests.faults.clocks import MISSING, library
from tests.faults.faults import CATALOGUE
from tests.faults.run import Report, plan_of, run_plan

_HEAD = (
    "| fault | runs | calls | wrong | old, not flagged | for at most | old, flagged | for at most | past deadline "
    "| time to heal | differences |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@click.command()
@click.option("--seed", type=int, default=0, help="The first seed.")
@click.option("--seeds", type=int, help="How many; the first ones are each fault alone.")
@click.option("--fault", "faults", multiple=True, type=click.Choice(list(CATALOGUE)), help="These faults together.")
@click.option("--couchdb-url", help="A real CouchDB, which is not killed; it must hold no numbers of its own.")
@click.option("--copies", is_flag=True, help="With account copies, in every run that allows them.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("soak"), help="Writes OUTPUT.json and .md.")
def main(
    seed: int, seeds: int | None, faults: Sequence[str], couchdb_url: str | None, copies: bool, output: Path
) -> None:
    """Kill, freeze, cut and flush, and see that no answer is wrong.

    Each seed is one run, and does the same again: first each fault alone, then random pairs. Exits with 1 when
    a run was not good.
    """
    names = [name for name, fault in CATALOGUE.items() if couchdb_url is None or not fault.needs_own_database]
    if library() is None:
        click.echo(MISSING, err=True)
        names = [name for name in names if not CATALOGUE[name].clocks]
    seeds = len(names) if seeds is None else seeds
    reports: list[Report] = []
    for number in range(seed, seed + seeds):
        try:
            reports.append(run_plan(plan_of(number, faults, names=names, copies=copies), couchdb_url))
        except Exception as problem:  # noqa: BLE001 - the other seeds go on
            click.echo(f"seed {number}: the run itself failed: {problem!r}", err=True)
            continue
        click.echo(f"{'good' if reports[-1].is_good else 'BAD '} {reports[-1]}")
        output.with_suffix(".json").write_bytes(
            orjson.dumps([report.as_dict() for report in reports], option=orjson.OPT_INDENT_2)
        )
        output.with_suffix(".md").write_text(table(reports) + "\n", "utf-8")
    click.echo(table(reports))
    sys.exit(len(reports) < seeds or not all(report.is_good for report in reports))


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
