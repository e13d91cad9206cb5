"""The command `did-router export`."""

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
import orjson

from router.bulk.export import Export, ExportReport, Format
from router.bulk.formats import CSV_SUFFIXES
from router.cli.json_output import skipped
from router.cli.options import OUTPUT, STANDARD_OUTPUT, Exit, settings_options
from router.cli.progress import BarProgress
from router.cli.shared_options import databases_option
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.runtime.chunked import chunked
from router.settings import Settings
from router.stores.clients import Stores

_MAX_SKIPPED_SHOWN = 10


@click.command()
@click.option("--account", metavar="ID", help="Only numbers assigned to this account.")
@databases_option("Export")
@click.option(
    "--format",
    "format_",
    type=click.Choice(get_args(Format)),
    help="jsonl: whole documents; csv: KAZOO's columns, tab-separated for a file .tsv. "
    "Default: by the output's extension, else jsonl.",
)
@click.option("--output", type=OUTPUT, help="Output file; - or no --output: standard output.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the totals as one JSON object; to stderr if there is no --output."
)
@settings_options
def export(
    settings: Settings,
    account: str | None,
    databases: tuple[str, ...],
    format_: Format | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write number documents to a file, from which `import` can restore the same numbers.

    \b
      did-router export --output numbers.jsonl                   all documents, complete
      did-router export --format csv --account 4cad0b7f…         KAZOO's columns, one account's numbers
      did-router export --database numbers/+1415 --output sf.csv

    JSON lines hold everything. CSV holds KAZOO's columns and reserve_history, without carriers' own data and without
    public fields that have no column. The file gets its name once it is complete. Exits with 1 if a document could not
    be read.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    output = None if output == STANDARD_OUTPUT else output
    suffix = "" if output is None else output.suffix.lower()
    chosen: Format = format_ or ("csv" if suffix in CSV_SUFFIXES else "jsonl")
    source = Stores(settings).databases
    began = time.monotonic()
    with _open_output(output) as write, BarProgress("exporting") as progress:
        made = Export(source, write, chosen, _ProgressAdapter(progress), separator="\t" if suffix == ".tsv" else ",")
        names = list(databases) or made.shards()
        progress.total(len(names), _documents(source, names))
        report = made.run(names, account)
    _print(report, time.monotonic() - began, output, as_json=as_json)
    if report.skipped_documents:
        raise SystemExit(Exit.REFUSED)


class _ProgressAdapter:
    def __init__(self, progress: BarProgress) -> None:
        self._progress = progress

    def __call__(self, name: str, read: int) -> None:
        if read:
            self._progress.documents(read)
        else:
            self._progress.database(name)


def _documents(databases: CouchServer, names: Sequence[str]) -> int:
    """Return how many documents these databases hold.

    Raises:
        click.BadParameter: a database doesn't exist.
    """
    count = 0
    for batch in chunked(names, INFO_BATCH_SIZE):
        for name, info in databases.infos(batch).items():
            if info is None:
                raise click.BadParameter(f"there is no database {name}", param_hint="--database")
            count += info.documents
    return count


@contextmanager
def _open_output(output: Path | None) -> Iterator[Callable[[bytes], Any]]:
    """Open the output: a file gets its name once it is complete; devices and pipes are written directly."""
    if output is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    if output.exists() and not output.is_file():
        with output.open("wb") as device:
            yield device.write
        return
    target = output.resolve()
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file.write
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _print(report: ExportReport, seconds: float, output: Path | None, *, as_json: bool) -> None:
    aside = output is None
    if as_json:
        fields = dataclasses.asdict(report) | {"seconds": round(seconds, 3)}
        fields["skipped"] = skipped(fields.pop("skipped_documents"))
        click.echo(orjson.dumps(fields), err=aside)
        return
    for database, identifier, why in report.skipped_documents[:_MAX_SKIPPED_SHOWN]:
        click.echo(f"left out: {identifier} in {database}: {why}", err=True)
    if len(report.skipped_documents) > _MAX_SKIPPED_SHOWN:
        click.echo(f"left out: {len(report.skipped_documents) - _MAX_SKIPPED_SHOWN} more (--json lists all)", err=True)
    where = "" if output is None else f" to {output}"
    click.echo(
        f"{report.written:,} numbers of {report.documents:,} documents in {report.databases} databases written{where}; "
        f"{seconds:.1f} s",
        err=aside,
    )
