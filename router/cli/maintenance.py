"""The command `did-router maintenance`."""

import dataclasses
from typing import Any

import click
import orjson

from router.cli.json_output import failed_databases
from router.cli.options import Exit, settings_options
from router.cli.progress import BarProgress
from router.manager.maintenance import Maintenance, MaintenanceReport
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.settings import Settings
from router.stores.clients import Stores


@click.command()
@click.option("--dry-run", is_flag=True, help="Report what is due; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per due number, then the totals.")
@settings_options
def maintenance(settings: Settings, *, dry_run: bool, as_json: bool) -> None:
    """Make the changes to numbers that are due by time.

    A number that aged for aging_expiry_d days becomes available. A discovered number that was not taken for
    discovery_expiry_d days is removed, and so is a deleted one. Both are names in the number manager's configuration.

    The leading follower does this every maintenance_interval seconds; this command is for a timer of your own. It is
    safe at any time, and several may run at once. Exits with 1 if a due change could not be made.
    """
    manager = NumberManager(settings, Stores(settings))
    with BarProgress("looking at") as progress:

        def show(outcome: Outcome) -> None:
            click.echo(orjson.dumps(_line(outcome)) if as_json else _text(outcome, dry_run=dry_run))

        report = Maintenance(manager, dry_run=dry_run, on_outcome=show, on_page=progress.documents).run()
    _print(report, as_json=as_json)
    if report.failed or report.failed_databases:
        raise SystemExit(Exit.REFUSED)


def _line(outcome: Outcome) -> dict[str, Any]:
    is_done = outcome.error is None and not outcome.unchanged
    return {
        "number": outcome.number,
        "action": _action(outcome) if is_done else None,
        "message": None if is_done else _action(outcome),
        "warnings": list(outcome.warnings),
    }


def _totals(report: MaintenanceReport) -> dict[str, Any]:
    fields = dataclasses.asdict(report)
    fields["failed"] = [{"number": number, "message": why} for number, why in sorted(report.failed.items())]
    fields["failed_databases"] = failed_databases(report.failed_databases)
    return fields


def _action(outcome: Outcome) -> str:
    if outcome.error is not None:
        return str(outcome.error)
    if outcome.unchanged:
        return "not due any more"
    return "removed" if outcome.deleted else "available"


def _text(outcome: Outcome, *, dry_run: bool) -> str:
    would = "would be " if dry_run and outcome.error is None else ""
    return "; ".join((f"{outcome.number}: {would}{_action(outcome)}", *outcome.warnings))


def _print(report: MaintenanceReport, *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(_totals(report)))
        return
    for name, why in sorted(report.failed_databases.items()):
        click.echo(f"left out: {name}: {why}", err=True)
    click.echo(
        f"{report.numbers:,} numbers of {report.databases} databases looked at in {report.seconds:.1f} s: "
        f"{report.available} available again, {report.removed} removed, {len(report.failed)} failed"
    )
