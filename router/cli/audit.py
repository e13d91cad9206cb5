"""The command `did-router audit`."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import click
import orjson

from router.audit.audit import Audit
from router.audit.report import AuditReport
from router.cli.json_output import skipped, text_or_null
from router.cli.options import Exit, settings_options
from router.cli.progress import BarProgress
from router.cli.shared_options import databases_option
from router.settings import Settings
from router.stores.clients import Stores

_MAX_LINES_SHOWN = 50


@click.command()
@databases_option("Audit")
@click.option("--repair", is_flag=True, help="Correct the cache and the account copies from the number databases.")
@click.option("--no-copies", is_flag=True, help="Skip the accounts' own copies of their numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per difference, then the totals.")
@settings_options
def audit(settings: Settings, databases: tuple[str, ...], *, repair: bool, no_copies: bool, as_json: bool) -> None:
    """Compare the number databases with the cache and with the accounts' own copies of their numbers.

    Safe while everything runs: a difference is read again for two seconds before it is reported. A repair removes a
    number from an account's copy only if the number's document says that the account neither owns nor reserved it.

    Exits with 1 if there are differences; with --repair: if one could not be repaired.
    """
    with BarProgress("comparing") as progress:
        report = Audit(
            settings, Stores(settings), progress, repair=repair, databases=list(databases) or None, copies=not no_copies
        ).run()
    _print(report, as_json=as_json)
    if report.has_unrepaired:
        raise SystemExit(Exit.REFUSED)


def _print(report: AuditReport, *, as_json: bool) -> None:
    if as_json:
        for line in _lines(report):
            click.echo(orjson.dumps(line))
        return
    lines = [*_differences(report), *_copies(report)]
    for text in lines[:_MAX_LINES_SHOWN]:
        click.echo(text)
    if len(lines) > _MAX_LINES_SHOWN:
        click.echo(f"… and {len(lines) - _MAX_LINES_SHOWN} more (--json lists all)")
    for text in _notes(report)[:_MAX_LINES_SHOWN]:
        click.echo(text, err=True)
    click.echo(
        f"{report.databases} databases, {report.documents:,} documents, {report.entries:,} entries, "
        f"copies of {report.accounts:,} accounts compared in {report.seconds:.1f} s: "
        f"{len(report.differences)} differences, {len(report.copies)} in copies"
    )


def _lines(report: AuditReport) -> Iterator[dict[str, Any]]:
    """Yield an object per difference and per wrong copy, then the totals."""
    for difference in report.differences:
        texts = {"cached": text_or_null(difference.cached), "stored": text_or_null(difference.stored)}
        yield dataclasses.asdict(difference) | texts
    for found in report.copies:
        fields = dataclasses.asdict(found)
        fields["message"] = fields.pop("why")
        yield {name: text_or_null(value) if isinstance(value, str) else value for name, value in fields.items()}
    yield {
        "databases": report.databases,
        "documents": report.documents,
        "entries": report.entries,
        "differences": len(report.differences),
        "accounts": report.accounts,
        "copies": len(report.copies),
        "skipped": skipped(report.skipped),
        "conflicting_states": [dataclasses.asdict(each) for each in report.conflicting_states],
        "seconds": report.seconds,
    }


def _differences(report: AuditReport) -> Iterator[str]:
    for each in report.differences:
        mended = ", mended" if each.repaired else ""
        yield (
            f"{each.kind}: {each.id} in {each.database}: "
            f"cache {each.cached or '-'}, database {each.stored or '-'}{mended}"
        )


def _copies(report: AuditReport) -> Iterator[str]:
    for each in report.copies:
        if each.kind == "unread":
            yield f"unread: the database of account {each.account}: {each.why}"
            continue
        outcome = ", mended" if each.repaired else f": {each.why}" if each.why else ""
        yield f"{each.kind}: {each.number} in the copy ({each.copy}) of account {each.account}{outcome}"


def _notes(report: AuditReport) -> list[str]:
    """Return lines about faults that no repair touches."""
    lines = [f"not reachable by any lookup: {name} in {database}: {why}" for database, name, why in report.skipped]
    lines += [
        f"two states: {each.number} in {each.database}: pvt_state {each.pvt_state} counts, "
        f"pvt_number_state says {each.pvt_number_state}: remove the wrong one"
        for each in report.conflicting_states
    ]
    return lines
