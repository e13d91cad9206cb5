"""did-router token."""

from pathlib import Path

import click
import orjson

from router.cli.options import RESULTS, Group
from router.server.auth import tokens
from router.settings import SettingsError


@click.group(cls=Group)
def token() -> None:
    """Make the tokens that callers show to a service."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(tokens.SCOPES),
    multiple=True,
    required=True,
    help="What it opens: lookup (InboundRouter), manage (NumberManager), system (with manage: auth_by=system too), "
    "admin (/state, /metrics); repeatable.",
)
@click.option("--account", metavar="ID", help="With manage: auth_by may be this account or one below it, and no other.")
@click.option("--append", type=RESULTS, help="Write the line behind this token file's others.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name, token, line.")
def new(name: str, scopes: tuple[str, ...], account: str | None, append: Path | None, *, as_json: bool) -> None:
    """Make a token for a caller called NAME, and print it this once.

    A token file (setting token_file) has a line for each token, with its hash and not the token itself. The line
    for the new one is printed too. A running service reads the file again when it changes. To rotate: add the new
    line, give the new token to the caller, then remove the old line.
    """
    made = tokens.new_token()
    try:
        line = tokens.line_for(name, made, scopes, account)
    except ValueError as problem:
        raise SettingsError(str(problem)) from None
    if append is not None:
        _append(append, line)
    if as_json:
        click.echo(orjson.dumps({"name": name, "token": made, "line": line}))
        return
    click.echo(f"token, shown only now: {made}")
    click.echo(f"{'written to' if append else 'for'} the token file:   {line}")


def _append(path: Path, line: str) -> None:
    if path.exists() and not path.is_file():
        raise SettingsError(f"--append {path}: this is no file that tokens can be read from: name another")
    with path.open("a+", encoding="utf-8") as file:
        file.seek(0)
        before = file.read()
        # One write, so that a service never reads half a line.
        file.write(f"{'' if before.endswith(chr(10)) or not before else chr(10)}{line}\n")
