"""The command `did-router number history`."""

import click
import orjson
from rich.table import Table

from router.bulk.export import AccountNames
from router.cli import tables
from router.cli.number import output
from router.cli.options import as_text, settings_options
from router.cli.shared_options import auth_by_option
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.settings import Settings
from router.stores.clients import Stores

_FIELDS = (
    "state",
    "assigned_to",
    "previously_assigned_to",
    "reserve_history",
    "authorizing_account",
    "ported_in",
    "created",
    "modified",
)


@click.command("history")
@auth_by_option
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object per number.")
@click.argument("numbers", nargs=-1, required=True)
@settings_options
def history_number(settings: Settings, numbers: tuple[str, ...], auth_by: str, *, as_lines: bool) -> None:
    """Show who owned and who reserved a number; a release moves it one step to the left.

    \b
      did-router number history 4158867900
    """  # noqa: D301
    stores = Stores(settings)
    texts = [as_text(number) for number in numbers]
    outcomes = NumberManager(settings, stores).carry_out(
        [OperationRequest(Operation.GET, text, auth_by) for text in texts]
    )
    if as_lines:
        for text, outcome in zip(texts, outcomes, strict=True):
            fields = output.found_json(text, outcome)
            kept = ("input", "number", "status", "code", "error", "cause", "message", *_FIELDS)
            click.echo(orjson.dumps({name: fields[name] for name in kept}))
    else:
        _print(texts, outcomes, AccountNames(stores.databases))
    raise SystemExit(output.exit_code(outcomes))


def _print(texts: list[str], outcomes: list[Outcome], names: AccountNames) -> None:
    def name(account: str | None) -> str:
        return "" if not account else names.of([account])[account] or account

    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("number", "state", "reserved by", "account", "previously", "created by"):
        table.add_column(title, overflow="fold")
    for text, outcome in zip(texts, outcomes, strict=True):
        document = outcome.document
        if document is None:
            click.echo(f"{outcome.number or text}: {outcome.error}", err=True)
            continue
        table.add_row(
            document.number,
            document.state or "none",
            output.history_line(document.reserve_history, name),
            name(document.assigned_to) or "nobody",
            name(document.previously_assigned_to),
            name(document.authorizing_account),
        )
    if table.row_count:
        tables.show(table)
