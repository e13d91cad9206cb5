"""did-router explain."""

from typing import Any, Literal

import click
import grpc
import orjson
from rich.table import Table

from router.cli import tables
from router.cli.channel import HOW_TO_SHOW, Service, service_options
from router.cli.client import refused, request_for
from router.cli.json_output import of_message
from router.cli.options import SECONDS, Exit, fail
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

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
@click.option("--dial-plan", default="", metavar="NAME", help="The dial plan it was dialled under.")
@click.option(
    "--timeout", type=SECONDS, default=5.0, metavar="SECONDS", show_default=True, help="Deadline of the call."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("number")
def explain(number: str, service: Service, dial_plan: str, timeout: float, *, as_json: bool) -> None:
    """Say why a NUMBER routes where it does.

    Shows every step from what was dialled to the answer, and what each layer holds: Redis, the number
    database, port requests, the account, and how far the follower is.
    """
    with service.open() as channel:
        request = pb.ExplainRequest(lookup=request_for(number, dial_plan))
        try:
            said = InboundRouterStub(channel).Explain(request, timeout=timeout, metadata=tuple(service.metadata))
        except grpc.RpcError as problem:
            _give_up(service, problem)
            return
    if as_json:
        click.echo(orjson.dumps(of_message(said)))
    else:
        _show(said)
    if said.answer.WhichOneof("outcome") != "route":
        raise SystemExit(Exit.REFUSED)


def _give_up(service: Service, problem: Any) -> None:
    said = refused("", problem)
    if said.turned_away:
        fail(f"{service.target} turns us away: {said.message}; {HOW_TO_SHOW}", Exit.USAGE)
    hint = "" if said.reachable else f" ({service.hint})"
    fail(f"no explanation from {service.target}: {said.message}{hint}", said.exit_code)


def _show(said: pb.ExplainResponse) -> None:
    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("step", "says", "version", "age"):
        table.add_column(title, overflow="fold")
    table.add_row("input", said.input, "", "")
    table.add_row("dial plan", f"{said.dial_plan}: {said.rule}", "", "")
    verdict = "" if said.reconcilable else " (not reconcilable)"
    table.add_row("E.164", f"{said.number or 'none'}{verdict}, {said.classification or 'no class'}", "", "")
    table.add_row("database", said.database or "none", "", "")
    for title, field in _LAYERS:
        if said.HasField(field):  # none is asked about what is no number
            view = getattr(said, field)
            table.add_row(title, _words(view), view.revision, _age(view.age_seconds))
    if said.HasField("follower"):
        view = said.follower
        table.add_row("follower", _follower_words(view), _short(view.checkpoint), _age(view.age_seconds))
    table.add_row("decision", said.decision, "", "")
    tables.show(table)


def _words(view: pb.LayerView) -> str:
    return "; ".join(filter(None, (view.error and f"can't be asked: {view.error}", view.detail)))


def _follower_words(view: pb.FollowerView) -> str:
    if view.error:
        return f"can't be asked: {view.error}"
    return f"{view.leader or 'nobody'}, {view.lag_seconds:.1f} s behind" if view.alive else "not following"


def _age(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds else ""


def _short(sequence: str) -> str:
    return sequence if len(sequence) <= 16 else sequence[:15] + "…"  # noqa: PLR2004 - enough to compare
