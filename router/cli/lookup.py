"""did-router lookup."""

import click
import orjson

from router.cli.channel import HOW_TO_SHOW, Service, service_options
from router.cli.client import LookupResult, ask, request_for
from router.cli.options import SECONDS, Exit, fail
from router.numbers.fields import printable
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub


@click.command()
@service_options
@click.option("--dial-plan", default="", metavar="NAME", help="The dial plan they were dialled under.")
@click.option("--authoritative", is_flag=True, help="Past the caches, straight from the number database.")
@click.option(
    "--timeout", type=SECONDS, default=2.0, metavar="SECONDS", show_default=True, help="Deadline of each call."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a number.")
@click.argument("numbers", nargs=-1, required=True)
def lookup(
    numbers: tuple[str, ...], service: Service, dial_plan: str, timeout: float, *, authoritative: bool, as_json: bool
) -> None:
    """Ask a running service which account owns each NUMBER.

    Exits with 1 when a number was refused, with 2 when the service wants another token, with 3 when the service,
    or a database it needed, can't be reached.
    """
    worst = Exit.OK
    with service.open() as channel:
        stub = InboundRouterStub(channel)
        for number in numbers:
            said = ask(stub, request_for(number, dial_plan, authoritative=authoritative), timeout, service.metadata)
            if not said.reachable:
                fail(service.silence(said.message), Exit.UNREACHABLE)
            if said.turned_away:
                fail(f"{service.target} turns us away: {said.message}; {HOW_TO_SHOW}", Exit.USAGE)
            click.echo(orjson.dumps(said.as_json()) if as_json else line(said))
            worst = max(worst, said.exit_code)
    raise SystemExit(worst)


def line(said: LookupResult) -> str:
    """An answer for people."""
    if said.route is None:
        return f"{printable(said.input)}: {said.reason or said.status}: {said.message}"
    route = said.route
    source = pb.Source.Name(route.source).replace("_", " ").lower()
    stale = ", stale" if route.stale else ""
    return (
        f"{printable(said.input)} → {route.number}: account {route.account_id}, {route.state} "
        f"({source}{stale}, {route.revision})"
    )
