"""Runs a file of rows, for `import` and for `number … --file`: results, progress and totals."""

import dataclasses
import gc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from router.bulk.availability import StoreUnavailableError
from router.bulk.journal import Journal
from router.bulk.journal_header import Header, fingerprint
from router.bulk.results import Report, imbalance
from router.bulk.rows import InvalidFileError, Rows
from router.bulk.run import BulkRun
from router.cli.options import Exit, fail
from router.cli.progress import RowsProgress
from router.lifecycle.errors import error_line
from router.manager.manager import NumberManager
from router.numbers import gregorian
from router.settings import Settings
from router.stores.clients import Stores

Reader = Callable[[BinaryIO], Rows]

_MAX_REFUSALS_SHOWN = 20
_GC_THRESHOLDS = (200_000, 20, 50)
"""Garbage collector thresholds: a batch allocates thousands of documents, none of them in a cycle."""


def run_file(
    settings: Settings,
    file: Path,
    output: Path | None,
    options: Mapping[str, Any],
    reader: Reader,
    *,
    as_json: bool,
    batch: int | None = None,
) -> None:
    """Carry out every row of a file that has no result yet, and print the totals.

    Args:
        file: `-`: standard input, which can't be resumed.
        output: file for results; None: beside the file.
        options: the command and its options, which the results name.
    """
    try:
        piped = str(file) == "-"
        path = output or (None if piped else file.with_name(f"{file.name}{_suffix(options)}"))
        with sys.stdin.buffer if piped else file.open("rb") as opened:
            rows = reader(opened)
            journal = _journal(path, file, options, piped=piped)
            report = _run(settings, journal, rows, 0 if piped else file.stat().st_size, batch)
            report.lines_read, report.lines_without_rows = rows.lines_read, rows.lines_skipped
    except InvalidFileError as problem:
        raise click.UsageError(str(problem), click.get_current_context(silent=True)) from None
    except StoreUnavailableError as problem:
        fail(str(problem), Exit.UNREACHABLE)
        return
    _print(report, path, dry_run=bool(options["dry_run"]), as_json=as_json)
    if (wrong := imbalance(report, rows)) is not None:
        fail(wrong, Exit.REFUSED)
    if report.statuses.get("refused") or journal.previous.statuses.get("refused"):
        raise SystemExit(Exit.REFUSED)


def _suffix(options: Mapping[str, Any]) -> str:
    return ".dry-run.jsonl" if options["dry_run"] else ".results.jsonl"


def _journal(path: Path | None, file: Path, options: Mapping[str, Any], *, piped: bool) -> Journal:
    if piped and path is not None and path.exists() and path.stat().st_size:
        raise InvalidFileError(
            f"{path} is there already, and standard input can't be gone on with: name another --output"
        )
    header = Header(options, "" if piped else fingerprint(file))
    now = gregorian.from_unix(int(time.time()))
    return Journal.open(path, header, now, afresh=bool(options["dry_run"]))


def _run(settings: Settings, journal: Journal, rows: Rows, size: int, batch: int | None) -> Report:
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.freeze()
    manager = NumberManager(settings, Stores(settings))
    copies = manager.deferred_copies()
    normaliser = manager.rules().normaliser
    with RowsProgress("rows", size) as progress:
        return BulkRun(
            copies,
            journal,
            copies=copies,
            normalise=lambda text: normaliser.e164(text).number,
            progress=progress,
            **({} if batch is None else {"batch": batch}),
        ).run(rows)


def _print(report: Report, path: Path | None, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        totals = dataclasses.asdict(report) | {"rate": round(report.rate, 1), "results": str(path) if path else None}
        click.echo(orjson.dumps(totals))
        return
    for result in report.refused[:_MAX_REFUSALS_SHOWN]:
        message = error_line(result["error"], result["cause"] or "", result["message"])
        click.echo(f"line {result['row']}: {result['number']}: {message}", err=True)
    refused = report.statuses.get("refused", 0)
    if refused > len(report.refused[:_MAX_REFUSALS_SHOWN]):
        click.echo(f"… and {refused - _MAX_REFUSALS_SHOWN:,} more refused: {_counts(report.errors)}", err=True)
    if report.resumed_rows:
        click.echo(f"{report.resumed_rows:,} rows had a result already: went on after them")
    would = "dry run, nothing was changed: " if dry_run else ""
    found = f" ({report.recovered:,} of them found done)" if report.recovered else ""
    click.echo(
        f"{would}{report.rows:,} rows: {_counts(report.statuses) or 'none'}{found}; "
        f"{report.seconds:.1f} s, {report.rate:,.0f} rows/s"
    )
    if report.warnings:
        where = "" if path is None else f", under warnings in {path}"
        click.echo(
            f"{report.warnings:,} rows with warnings{where}; missing account copies are written by "
            "did-router audit --repair"
        )
    if path is not None:
        click.echo(f"a result for each row is in {path}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=_by_count))


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
