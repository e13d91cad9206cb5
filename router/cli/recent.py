"""The command `did-router recent`."""

import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.channel import TOKEN_HINT, TlsFiles, tls_ca_option, token_headers_option
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
@tls_ca_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Lookups shown at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a lookup.")
def recent(admin: str, limit: int, headers: dict[str, str], tls_ca: Path | None, *, as_json: bool) -> None:
    """Show the last lookups that were refused or slow, the newest first, and why.

    Each worker of a `serve` keeps its last 1,000. Slow is a lookup of more than `slow_call` seconds. Needs a token with
    the scope admin where the service has tokens.
    """
    tls = None if tls_ca is None else TlsFiles(tls_ca, None, None).context()
    workers = _fetch(_url(admin, tls=tls is not None), headers, tls)
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


def _url(admin: str, *, tls: bool) -> str:
    url = admin if "://" in admin else f"{'https' if tls else 'http'}://{admin}"
    if tls and not _is_https(url):
        fail(f"--tls-ca wants TLS, which {url} does not use: write https://", Exit.USAGE)
    return url.rstrip("/")


def _is_https(url: str) -> bool:
    return url.lower().startswith("https://")


def _fetch(url: str, headers: dict[str, str], context: ssl.SSLContext | None) -> dict[str, list[dict[str, Any]] | None]:
    request = urllib.request.Request(f"{url}/recent", headers=headers)  # noqa: S310 - the user's own URL
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=context) as response:  # noqa: S310
            workers: dict[str, Any] = json.load(response)["workers"]
    except urllib.error.HTTPError as refusal:
        message = refusal.read().decode("utf-8", "replace").strip()
        if refusal.code in _UNAUTHORIZED:
            fail(f"{url} refuses the request: {message}; {TOKEN_HINT}", Exit.USAGE)
        fail(f"{url} answers {refusal.code}: {message}", Exit.UNREACHABLE)
    except HTTPException as problem:
        _fail_unreachable(url, f"no HTTP response: {type(problem).__name__}")
    except (OSError, ValueError, KeyError) as problem:
        _fail_unreachable(url, str(getattr(problem, "reason", problem)))
    return workers


def _fail_unreachable(url: str, reason: str) -> NoReturn:
    hint = f"its setting admin_listen; --admin; {_other_cause(url)}"
    fail(f"no did-router answers at {url}: {reason} ({hint})", Exit.UNREACHABLE)


def _other_cause(url: str) -> str:
    if _is_https(url):
        return "or it uses no TLS, or has a certificate of another authority: --tls-ca"
    return "or it requires TLS: --tls-ca"


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
