"""The command `did-router explain`."""

from typing import Literal, NoReturn

import click
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.channel import TOKEN_HINT, Service, service_options
from router.cli.options import SECONDS, Exit, as_text, fail
from router.client import Result
from router.runtime.json_messages import json_of
from router.v1 import inbound_pb2 as pb

_Layer = Literal["near_cache", "redis", "number_database", "port_requests", "account"]
_LAYERS: tuple[tuple[str, _Layer], ...] = (
    ("near cache", "near_cache"),
    ("Redis", "redis"),
    ("number document", "number_database"),
    ("port requests", "port_requests"),
    ("account", "account"),
)


@click.command()
@service_options
@click.option("--dial-plan", default="", metavar="NAME", help="Dial plan that the number was dialled under.")
@click.option(
    "--timeout", type=SECONDS, default=5.0, metavar="SECONDS", show_default=True, help="Deadline of the call."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("number")
def explain(number: str, service: Service, dial_plan: str, timeout: float, *, as_json: bool) -> None:
    """Explain why a NUMBER routes where it does.

    Shows each step from the dialled number to the answer, and what each layer holds: near cache, Redis, the number
    database, port requests, the account, and how far the follower is.
    """
    with service.client(timeout) as asked:
        result = asked.explain(as_text(number), as_text(dial_plan), deadline=timeout)
    explanation = result.value
    if explanation is None:
        _fail(service, result)
    if as_json:
        click.echo(orjson.dumps(json_of(explanation)))
    else:
        _show(explanation)
    if explanation.answer.WhichOneof("outcome") != "route":
        raise SystemExit(Exit.REFUSED)


def _fail(service: Service, result: Result[pb.ExplainResponse]) -> NoReturn:
    if result.is_unauthorized:
        fail(f"{service.target} refuses the call: {result.message}; {TOKEN_HINT}", Exit.USAGE)
    hint = "" if result.is_reachable else f" ({service.hint})"
    unanswered = not result.is_reachable or result.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    fail(
        f"no explanation from {service.target}: {result.message}{hint}",
        Exit.UNREACHABLE if unanswered else Exit.REFUSED,
    )


def _show(explanation: pb.ExplainResponse) -> None:
    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("step", "says", "version", "age"):
        table.add_column(title, overflow="fold")
    table.add_row("input", explanation.input, "", "")
    table.add_row("dial plan", f"{explanation.dial_plan}: {explanation.rule}", "", "")
    verdict = "" if explanation.reconcilable else " (not reconcilable)"
    table.add_row(
        "E.164", f"{explanation.number or 'none'}{verdict}, {explanation.classification or 'no class'}", "", ""
    )
    table.add_row("database", explanation.database or "none", "", "")
    for title, field in _LAYERS:
        if explanation.HasField(field):  # unset for a text that is no number
            view = getattr(explanation, field)
            table.add_row(title, _layer_text(view), view.revision, _age(view.age_seconds))
    if explanation.HasField("follower"):
        view = explanation.follower
        table.add_row("follower", _follower_text(view), _short(view.checkpoint), _age(view.age_seconds))
    table.add_row("decision", explanation.decision, "", "")
    table.add_row("protocol", explanation.protocol or "not known", "", "")
    tables.show(table)


def _layer_text(view: pb.LayerView) -> str:
    return "; ".join(filter(None, (view.error and f"can't be asked: {view.error}", view.detail)))


def _follower_text(view: pb.FollowerView) -> str:
    if view.error:
        return f"can't be asked: {view.error}"
    return f"{view.leader or 'nobody'}, {view.lag_seconds:.1f} s behind" if view.alive else "not following"


def _age(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds else ""


def _short(sequence: str) -> str:
    return sequence if len(sequence) <= 16 else sequence[:15] + "…"  # noqa: PLR2004 - enough to compare
