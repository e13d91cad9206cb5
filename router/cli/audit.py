"""did-router audit."""

import dataclasses

import click
import orjson

from router.cli.options import Exit, settings_options
from router.cli.progress import BarProgress
from router.follower.audit import Audit, AuditReport
from router.settings import Settings
from router.stores import Stores

_SHOWN = 50


@click.command()
@click.option("--database", "databases", multiple=True, metavar="NAME", help="Only this one, such as numbers/+1415.")
@click.option("--repair", is_flag=True, help="Put what the databases say into the cache where it differs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a difference, then the totals.")
@settings_options
def audit(settings: Settings, databases: tuple[str, ...], *, repair: bool, as_json: bool) -> None:
    """Compare the cache with the databases: every number, account, port request and the configuration.

    Safe while everything runs: what differs is looked at again for two seconds before it is reported.
    Exits with 1 where they differ (with --repair: where something could not be mended).
    """
    with BarProgress("comparing") as progress:
        report = Audit(settings, Stores(settings), progress, repair=repair, databases=list(databases) or None).run()
    _print(report, as_json=as_json)
    if any(not difference.repaired for difference in report.differences):
        raise SystemExit(Exit.REFUSED)


def _print(report: AuditReport, *, as_json: bool) -> None:
    if as_json:
        for difference in report.differences:
            click.echo(orjson.dumps(dataclasses.asdict(difference)))
        totals = dataclasses.asdict(report) | {"differences": len(report.differences)}
        click.echo(orjson.dumps(totals))
        return
    for difference in report.differences[:_SHOWN]:
        mended = ", mended" if difference.repaired else ""
        click.echo(
            f"{difference.kind}: {difference.id} in {difference.database}: "
            f"cache {difference.cached or '-'}, database {difference.stored or '-'}{mended}"
        )
    if len(report.differences) > _SHOWN:
        click.echo(f"… and {len(report.differences) - _SHOWN} more (--json lists all)")
    for database, identifier, why in report.left_out[:_SHOWN]:
        click.echo(f"not reachable by any lookup: {identifier} in {database}: {why}", err=True)
    click.echo(
        f"{report.databases} databases, {report.documents:,} documents, {report.entries:,} entries compared in "
        f"{report.seconds:.1f} s: {len(report.differences)} differences"
    )
