"""did-router import."""

from pathlib import Path
from typing import BinaryIO

import click

from router.bulk import formats
from router.bulk.records import ImportOptions
from router.bulk.rows import Rows
from router.bulk.run import WINDOW_SIZE
from router.cli.bulk import run_file
from router.cli.options import RESULTS, settings_options
from router.lifecycle.operations import SYSTEM
from router.settings import Settings


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True, exists=True))
@click.option(
    "--output",
    type=RESULTS,
    help="Where results go, a JSON object a row (FILE.results.jsonl). What is there is gone on with.",
)
@click.option("--auth-by", default=SYSTEM, metavar="ID", show_default=True, help="The account that asks.")
@click.option("--account", metavar="ID", help="The account for rows that name none.")
@click.option("--update", is_flag=True, help="A number that exists is moved and updated as its row says.")
@click.option("--dry-run", is_flag=True, help="Say what would come of each row, change nothing.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=WINDOW_SIZE, show_default=True, help="Rows at a time.")
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
    """Create the numbers of a FILE: CSV with KAZOO's columns, or JSON lines as an export writes them.

    \b
      did-router import numbers.csv --dry-run       what would come of it?
      did-router import numbers.csv                 again after a kill or Ctrl-C: goes on where it was
      did-router import numbers.csv --update        those that exist take the account and fields of their row
      did-router import backup.jsonl                whole documents, put back as they were

    \b
    CSV: the first line names the columns, of which only e164 must be there:
      e164,account_id,state,carrier_module,prepend.enabled,prepend.name,opaque.my_field
    See docs/operations.md for all of them. A column `action` may say what to do with each row instead of
    creating: reserve, move, release, delete, update or assign_to_app.

    Each row gets its result in the output file; one bad row never stops the others. Rows' own past (created,
    previously_assigned_to, reserve_history, used_by, ported_in) is taken over only when the system asks.
    Exits with 1 when a row was refused, with 3 when a store can't be reached: run it again, it goes on.
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
