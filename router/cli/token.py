"""The command `did-router token`."""

from pathlib import Path

import click
import orjson

from router.cli.options import RESULTS, Group
from router.server.auth import tokens
from router.settings import SettingsError


@click.group(cls=Group)
def token() -> None:
    """Create tokens, with which callers authenticate to a service."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(tokens.SCOPES),
    multiple=True,
    required=True,
    help="Permission: lookup (InboundRouter), manage (NumberManager), system (with manage: auth_by=system as well), "
    "admin (/state, /metrics); repeatable.",
)
@click.option("--account", metavar="ID", help="With manage: allow only this account and its descendants as auth_by.")
@click.option("--append", type=RESULTS, help="Append the line to this token file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name, token, line.")
def new(name: str, scopes: tuple[str, ...], account: str | None, append: Path | None, *, as_json: bool) -> None:
    """Create a token for the caller NAME, and print it once.

    A token file (setting token_file) has a line per token, with the token's hash instead of the token. The new token's
    line is printed too. A running service reloads the file when it changes. To rotate a token: add the new line, give
    the caller the new token, then remove the old line.
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
        # A single write: a service never reads half a line.
        file.write(f"{'' if before.endswith(chr(10)) or not before else chr(10)}{line}\n")
