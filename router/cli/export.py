"""did-router export."""

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
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.settings import Settings
from router.stores.clients import Stores

_SHOWN = 10


@click.command()
@click.option("--account", metavar="ID", help="Only numbers assigned to this account.")
@click.option("--database", "databases", multiple=True, metavar="NAME", help="Only this one, such as numbers/+1415.")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    help="By the output's name, else jsonl: whole documents; csv: KAZOO's columns (with tabs in a file .tsv).",
)
@click.option("--output", type=OUTPUT, help="A file; - and no --output mean standard output.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the totals as one JSON object, on stderr without --output."
)
@settings_options
def export(
    settings: Settings,
    account: str | None,
    databases: tuple[str, ...],
    form: Format | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write number documents to a file, from which `import` makes the same numbers again.

    \b
      did-router export --output numbers.jsonl                   every document, whole
      did-router export --format csv --account 4cad0b7f…         KAZOO's columns, one account's numbers
      did-router export --database numbers/+1415 --output sf.csv

    JSON lines hold everything; CSV holds KAZOO's columns and reserve_history, so that carriers' own data and public
    fields outside of the columns are left out. The file appears whole, under its name, at the end. Exits with 1 when a
    document could not be read.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    output = None if output == STANDARD_OUTPUT else output
    suffix = "" if output is None else output.suffix.lower()
    chosen: Format = form or ("csv" if suffix in CSV_SUFFIXES else "jsonl")
    source = Stores(settings).databases
    began = time.monotonic()
    with _sink(output) as write, BarProgress("exporting") as progress:
        made = Export(source, write, chosen, _Watch(progress), separator="\t" if suffix == ".tsv" else ",")
        names = list(databases) or made.shards()
        progress.total(len(names), _documents(source, names))
        report = made.run(names, account)
    _tell(report, time.monotonic() - began, output, as_json=as_json)
    if report.skipped_documents:
        raise SystemExit(Exit.REFUSED)


class _Watch:
    def __init__(self, progress: BarProgress) -> None:
        self._progress = progress

    def __call__(self, name: str, read: int) -> None:
        if read:
            self._progress.documents(read)
        else:
            self._progress.database(name)


def _documents(databases: CouchServer, names: Sequence[str]) -> int:
    """How many these databases hold.

    Raises:
        click.BadParameter: one of them isn't there.
    """
    count = 0
    for start in range(0, len(names), INFO_BATCH_SIZE):
        for name, info in databases.infos(names[start : start + INFO_BATCH_SIZE]).items():
            if info is None:
                raise click.BadParameter(f"there is no database {name}", param_hint="--database")
            count += info.documents
    return count


@contextmanager
def _sink(output: Path | None) -> Iterator[Callable[[bytes], Any]]:
    """Where bytes go; a file gets its name when it is whole. Devices and pipes stay what they are."""
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


def _tell(report: ExportReport, seconds: float, output: Path | None, *, as_json: bool) -> None:
    aside = output is None
    if as_json:
        said = dataclasses.asdict(report) | {"seconds": round(seconds, 3)}
        said["skipped"] = skipped(said.pop("skipped_documents"))
        click.echo(orjson.dumps(said), err=aside)
        return
    for database, identifier, why in report.skipped_documents[:_SHOWN]:
        click.echo(f"left out: {identifier} in {database}: {why}", err=True)
    if len(report.skipped_documents) > _SHOWN:
        click.echo(f"left out: {len(report.skipped_documents) - _SHOWN} more (--json lists all)", err=True)
    where = "" if output is None else f" to {output}"
    click.echo(
        f"{report.written:,} numbers of {report.documents:,} documents in {report.databases} databases written{where}; "
        f"{seconds:.1f} s",
        err=aside,
    )
