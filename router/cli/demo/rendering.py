"""Prints the demo: tables and sentences for people. Nothing here decides what happens."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from router.cli import sample_numbers
from router.cli.client import LookupResult
from router.cli.demo.scenes import SceneResult
from router.cli.via.view import SwitchView
from router.server.app import Service

_NAPTR_NAME = ".".join(reversed("14158867900")) + ".e164.arpa"
_INVITE = (
    r"INVITE sip:+14158867900@127.0.0.1 SIP/2.0\nFrom: <sip:a@127.0.0.1>;tag=1\nTo: <sip:+14158867900@127.0.0.1>"
    r"\nCall-ID: 1\nCSeq: 1 INVITE\nContact: <sip:a@127.0.0.1>\nMax-Forwards: 70\nContent-Length: 0\n\n"
)
"""For printf; sipsak adds the Via."""
_WIDTH = 150
"""Columns of the table outside a terminal."""
_MIN_WIDTHS = {"what": len("only a port request"), "outcome": len("NUMBER_DATABASE_UNAVAILABLE"), "ms": len("1000.0")}
"""Columns with a fixed folding: on a slow machine the milliseconds are longer."""
_ACCOUNT_NAMES = {**sample_numbers.ACCOUNTS, sample_numbers.DISABLED: sample_numbers.DISABLED_NAME}


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for the table."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDTH)


def lookup_table(results: Iterable[SceneResult]) -> Table:
    """Return a table with a row per lookup."""
    table = Table(title="Which account owns this DID?", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("what", "dialled", "E.164", "account", "state", "from", "outcome", "ms"):
        table.add_column(title, overflow="fold", min_width=_MIN_WIDTHS.get(title))
    for each in results:
        table.add_row(*_cells(each))
    return table


def owner_changes(number: str, milliseconds: Sequence[float]) -> str:
    """Return a sentence about measured changes."""
    each = ", ".join(f"{ms:.0f}" for ms in milliseconds)
    return (
        f"Changed the owner of {number} in the database {len(milliseconds)} times; visible to lookups after {each} ms "
        "(the first change wakes the shard, later ones come by its own feed)."
    )


def switch_views(views: Mapping[str, SwitchView]) -> str:
    """Return what switches see, by the command that asks as they do."""
    lines = ["As switches see it:"]
    for command, view in views.items():
        lines += [f"  $ {command}", *(f"    {line}" for line in view.text.splitlines())]
    return "\n".join(lines) + "\n"


def next_steps(target: str, service: Service, couchdb_url: str, redis_url: str) -> str:
    """Return commands that work while the demo serves."""
    return f"""
Serving on {target} until Ctrl-C. In another terminal:

  . .venv/bin/activate
  did-router lookup --target {target} 4158867900 +441212345678 911
  did-router explain --target {target} 4158867900
  did-router audit --couchdb-url {couchdb_url} --redis-url {redis_url}
  curl -s http://127.0.0.1:{service.http.port}/v1/lookup/+14158867900
  sipsak -vv -s sip:127.0.0.1:{service.sip.port}
  printf '{_INVITE}' | sipsak -vv -d -f - -s sip:+14158867900@127.0.0.1:{service.sip.port}
  dig +short -p {service.enum.port} @127.0.0.1 NAPTR {_NAPTR_NAME}
  curl -s http://127.0.0.1:{service.admin.port}/state
"""


def invitation(url: str, key: str) -> str:
    """Return where the operators' pages are, and what to log in with."""
    return f"Operators' pages: {url}\n  log in with {key}\n"


def _cells(each: SceneResult) -> tuple[str, ...]:
    fields = each.result.as_json()
    return (
        each.scene.title,
        each.scene.number,
        fields["number"] or "",
        _ACCOUNT_NAMES.get(fields["account_id"], fields["account_id"] or ""),
        fields["state"] or "",
        (fields["source"] or "").replace("_", " ").lower(),
        _outcome(each.result),
        f"{each.milliseconds:.1f}",
    )


def _outcome(result: LookupResult) -> str:
    if result.route is not None:
        return "[green]routes[/green]" + (", pending port" if result.route.pending_port else "")
    return f"[yellow]{result.status}[/yellow] {result.reason}"
