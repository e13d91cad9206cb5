"""The command `did-router recent`."""

import json
import urllib.error
import urllib.request
from typing import Any

import click
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.channel import TOKEN_HINT, token_headers_option
from router.cli.options import Exit, fail

DEFAULT_ADMIN = "127.0.0.1:9050"
_TIMEOUT = 5.0
_UNAUTHORIZED = frozenset((401, 403))


@click.command()
@click.option(
    "--admin",
    default=DEFAULT_ADMIN,
    metavar="ADDR",
    show_default=True,
    help="Admin address, or its URL.",
)
@token_headers_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Lookups shown at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a lookup.")
def recent(admin: str, limit: int, headers: dict[str, str], *, as_json: bool) -> None:
    """Show the last lookups that were refused or slow, the newest first, and why.

    Each worker of a `serve` keeps its last 1,000. Slow is a lookup of more than `slow_call` seconds. Needs a token with
    the scope admin where the service has tokens.
    """
    workers = _fetch(admin, headers)
    silent = sorted(name for name, records in workers.items() if records is None)
    if silent:
        click.echo(f"no response from {', '.join(silent)}: their lookups are missing", err=True)
    found = [{"worker": name, **record} for name, records in workers.items() for record in records or ()]
    found.sort(key=lambda record: str(record["time"]), reverse=True)
    if as_json:
        for record in found[:limit]:
            click.echo(orjson.dumps(record))
    elif found:
        _show(found[:limit])
    else:
        click.echo("no lookup was refused or slow since the workers started")


def _fetch(admin: str, headers: dict[str, str]) -> dict[str, list[dict[str, Any]] | None]:
    url = admin if "://" in admin else f"http://{admin}"
    request = urllib.request.Request(f"{url.rstrip('/')}/recent", headers=headers)  # noqa: S310 - the user's own URL
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            workers: dict[str, Any] = json.load(response)["workers"]
    except urllib.error.HTTPError as refusal:
        message = refusal.read().decode("utf-8", "replace").strip()
        if refusal.code in _UNAUTHORIZED:
            fail(f"{url} refuses the request: {message}; {TOKEN_HINT}", Exit.USAGE)
        fail(f"{url} answers {refusal.code}: {message}", Exit.UNREACHABLE)
    except (OSError, ValueError, KeyError) as problem:
        reason = getattr(problem, "reason", problem)
        fail(f"no did-router answers at {url}: {reason} (its setting admin_listen; --admin)", Exit.UNREACHABLE)
    return workers


def _show(records: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("time", "worker", "by", "asked", "number", "result", "source", "ms", "why"):
        table.add_column(name, justify="right" if name == "ms" else "left")
    for record in records:
        seconds = record["seconds"]
        table.add_row(
            record["time"],
            record["worker"],
            record["protocol"],
            record["asked"] or "",
            record["number"] or "",
            record["reason"] or record["result"],
            record["source"],
            "" if seconds is None else f"{seconds * 1000:.1f}",
            _why(record),
        )
    tables.show(table)


def _why(record: dict[str, Any]) -> str:
    """Return the message, and how many lookups were refused with it."""
    message = record["message"] or ("slow" if record["result"] == "route" else "")
    return message if record["calls"] == 1 else f"{record['calls']} lookups: {message}"
