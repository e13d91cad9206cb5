"""The command `did-router number list`."""

from collections.abc import Iterator, Sequence

import click
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.number import output
from router.cli.options import Exit, fail, settings_options
from router.cli.shared_options import auth_by_option
from router.lifecycle.errors import NumberError
from router.manager.manager import NumberManager
from router.numbers.documents import NumberDocument
from router.settings import Settings
from router.stores.clients import Stores

_PAGE_SIZE = 1000
_DEFAULT = 100


@click.command("list")
@click.option("--account", required=True, metavar="ID", help="Account whose numbers are listed.")
@auth_by_option
@click.option(
    "--after", default="", metavar="NUMBER", help="List numbers after this one, as printed by the page before."
)
@click.option("--limit", type=click.IntRange(1), default=_DEFAULT, show_default=True, help="Maximum count.")
@click.option("--all", "all_pages", is_flag=True, help="List all numbers, page after page.")
@click.option(
    "--thorough",
    is_flag=True,
    help="Read every number database instead of the account's own list: slow, but complete.",
)
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object per number.")
@settings_options
def list_number(
    settings: Settings,
    account: str,
    auth_by: str,
    after: str,
    limit: int,
    *,
    all_pages: bool,
    thorough: bool,
    as_lines: bool,
) -> None:
    """List the numbers that are assigned to an account.

    \b
      did-router number list --account 4cad0b7f…
      did-router number list --account 4cad0b7f… --all --json | jq -r .number
      did-router number list --account 4cad0b7f… --thorough     including numbers missing from its own list
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    manager = NumberManager(settings, Stores(settings))
    left = None if all_pages else limit
    found = bool(after)
    try:
        for numbers, last in _pages(manager, account, auth_by, after, left, thorough=thorough):
            _print(numbers, as_lines=as_lines)
            found = found or bool(numbers)
            after = last
    except NumberError as refusal:
        fail(str(refusal), Exit.REFUSED)
    if after:
        click.echo(f"there may be more: --after {after}", err=True)
    elif not found and not thorough:
        click.echo(
            f"account {account} lists no numbers in a database of its own: --thorough looks through every number "
            "database",
            err=True,
        )


def _pages(
    manager: NumberManager, account: str, auth_by: str, after: str, left: int | None, *, thorough: bool
) -> Iterator[tuple[Sequence[NumberDocument], str]]:
    """Yield pages, each with the value of `after` for the next one; empty at the end."""
    while left is None or left > 0:
        size = _PAGE_SIZE if left is None else min(left, _PAGE_SIZE)
        page = manager.list_by_account(account, auth_by, after=after, limit=size, thorough=thorough)
        left = None if left is None else left - len(page.numbers)
        after = page.next
        yield page.numbers, after
        if not after:
            return


def _print(numbers: Sequence[NumberDocument], *, as_lines: bool) -> None:
    if as_lines:
        for number in numbers:
            click.echo(orjson.dumps(output.record(number)))
        return
    if not numbers:
        return
    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("number", "state", "carrier", "used by", "features", "reserved by"):
        table.add_column(title, overflow="fold")
    for number in numbers:
        table.add_row(
            number.number,
            number.state or "none",
            number.module_name,
            number.used_by or "",
            ", ".join(number.features),
            output.history_line(number.reserve_history),
        )
    tables.show(table)
