"""The command `did-router import`."""

from pathlib import Path
from typing import BinaryIO

import click

from router.bulk import formats
from router.bulk.records import ImportOptions
from router.bulk.rows import Rows
from router.bulk.run import WINDOW_SIZE
from router.cli.bulk import run_file
from router.cli.options import RESULTS, settings_options
from router.cli.shared_options import auth_by_option
from router.settings import Settings


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True, exists=True))
@click.option(
    "--output",
    type=RESULTS,
    help="File for the results, one JSON object per row (default: FILE.results.jsonl). An existing one is resumed.",
)
@auth_by_option
@click.option("--account", metavar="ID", help="Account for rows without account_id.")
@click.option("--update", is_flag=True, help="Move and update numbers that exist, instead of refusing them.")
@click.option("--dry-run", is_flag=True, help="Report what each row would do; change nothing.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=WINDOW_SIZE, show_default=True, help="Rows per batch.")
@click.option("--json", "as_json", is_flag=True, help="Print the totals as one JSON object.")
@settings_options
def import_(
    settings: Settings,
    file: Path,
    output: Path | None,
    auth_by: str,
    account: str | None,
    batch: int,
    *,
    update: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create the numbers of a FILE: CSV with KAZOO's columns, or JSON lines as written by an export.

    \b
      did-router import numbers.csv --dry-run       what would it do?
      did-router import numbers.csv                 again after a kill or Ctrl-C: it resumes
      did-router import backup.jsonl                complete documents, restored as they were

    \b
    CSV: the first line names the columns; only e164 is required:
      e164,account_id,state,carrier_module,prepend.enabled,prepend.name,opaque.my_field
    docs/import-and-export.md lists all columns. The column `action` can name another operation for a row than
    create: reserve, move, release, delete, update or assign_to_app.

    Each row gets a result in the output file; a bad row never stops the others. A row's history (created,
    previously_assigned_to, reserve_history, used_by, ported_in) is only imported if the caller is the system.
    Exits with 1 if a row was refused, with 3 if a store can't be reached: run it again to resume.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    options = ImportOptions(auth_by, account, update, dry_run)
    described = {
        "command": "import",
        "auth_by": auth_by,
        "account": account,
        "update": update,
        "dry_run": dry_run,
    }

    def read(opened: BinaryIO) -> Rows:
        return formats.read(opened, file.name, options)

    run_file(settings, file, output, described, read, as_json=as_json, batch=batch)
