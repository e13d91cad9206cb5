"""The command `did-router warm`."""

import dataclasses
from typing import Any

import click
import orjson

from router.audit.audit import Audit
from router.audit.report import AuditReport
from router.cli.json_output import failed_databases, skipped
from router.cli.options import Exit, settings_options
from router.cli.progress import BarProgress
from router.cli.shared_options import databases_option
from router.settings import Settings
from router.stores.clients import Stores
from router.warm_up.report import WarmReport
from router.warm_up.warm_up import WarmUp

_SHOWN = 10


@click.command()
@databases_option("Warm")
@click.option("--verify", is_flag=True, help="Afterwards read everything again, and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@settings_options
def warm(settings: Settings, databases: tuple[str, ...], *, verify: bool, as_json: bool) -> None:
    """Fill the cache from the number databases.

    Resumes where an earlier warm-up or follower stopped, and reads several databases in parallel. It leaves checkpoints
    from which the follower goes on, so no change is lost meanwhile. Lookups are answered as usual. Exits with 1 if a
    database failed, a document was left out, or --verify found a difference.
    """
    stores = Stores(settings)
    selected = list(databases) or None
    with BarProgress("warming") as progress:
        report = WarmUp(settings, stores, progress, selected).run()
    proof = None
    if verify:
        with BarProgress("verifying") as progress:
            proof = Audit(settings, stores, progress, databases=selected).run()
    _print(report, proof, as_json=as_json)
    if not report.complete or (proof is not None and proof.differences):
        raise SystemExit(Exit.REFUSED)


def _totals(report: WarmReport) -> dict[str, Any]:
    fields = dataclasses.asdict(report)
    lists = {"failed_databases": failed_databases(report.failed_databases), "skipped": skipped(report.skipped)}
    return fields | lists | {"rate": round(report.rate, 1)}


def _print(report: WarmReport, proof: AuditReport | None, *, as_json: bool) -> None:
    if as_json:
        verified = None if proof is None else {"documents": proof.documents, "differences": len(proof.differences)}
        click.echo(orjson.dumps(_totals(report) | {"verified": verified}))
        return
    click.echo(
        f"{report.databases} databases: {report.filled} filled, {report.current} up to date already, "
        f"{len(report.failed_databases)} left out"
    )
    if report.watched:
        click.echo("a follower leads and fills the cache itself: watched it until it had everything")
    click.echo(
        f"{report.read:,} documents read, {report.written:,} written, {len(report.skipped)} skipped, "
        f"{report.not_numbers} design documents; {report.seconds:.1f} s, {report.rate:,.0f} documents/s"
    )
    for name, why in sorted(report.failed_databases.items()):
        click.echo(f"left out: {name}: {why}", err=True)
    for database, identifier, why in report.skipped[:_SHOWN]:
        click.echo(f"skipped: {identifier} in {database}: {why}", err=True)
    if len(report.skipped) > _SHOWN:
        click.echo(f"skipped: {len(report.skipped) - _SHOWN} more (--json lists all)", err=True)
    if proof is not None:
        click.echo(f"verified {proof.documents:,} documents: {len(proof.differences)} differences")
