"""The command `did-router lookup`."""

from collections.abc import Callable

import click
import orjson

from router.cli.channel import DEFAULT_TARGET, TOKEN_HINT, Service, service_options
from router.cli.client import LookupResult, of_result
from router.cli.options import SECONDS, Exit, as_text, fail
from router.cli.via.view import Question, SwitchView
from router.numbers.fields import printable
from router.runtime.addresses import parse_address
from router.v1 import inbound_pb2 as pb


@click.command()
@service_options
@click.option(
    "--via",
    type=click.Choice(["grpc", "http", "sip", "enum"]),
    default="grpc",
    show_default=True,
    help="Ask as a switch does, and print its view: over HTTP (--target 127.0.0.1:8080 unless given), by a SIP INVITE "
    "(5070) or by ENUM (5300).",
)
@click.option("--dial-plan", default="", metavar="NAME", help="Dial plan that the numbers were dialled under.")
@click.option("--authoritative", is_flag=True, help="Bypass the caches: read the number database.")
@click.option(
    "--timeout", type=SECONDS, default=2.0, metavar="SECONDS", show_default=True, help="Deadline of each call."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per number.")
@click.argument("numbers", nargs=-1, required=True)
def lookup(
    numbers: tuple[str, ...],
    service: Service,
    via: str,
    dial_plan: str,
    timeout: float,
    *,
    authoritative: bool,
    as_json: bool,
) -> None:
    """Ask a running service which account owns each NUMBER.

    Exits with 1 if a number was refused, with 2 if the service refuses the token, with 3 if the service, or a database
    that it needs, can't be reached.
    """
    worst = Exit.OK
    if via != "grpc":
        ask = via_switch(via, service, dial_plan, timeout, authoritative=authoritative)
        for number in numbers:
            view = ask(number)
            click.echo(orjson.dumps(view.result.as_json()) if as_json else view.text)
            worst = max(worst, view.result.exit_code)
        raise SystemExit(worst)
    with service.client(timeout) as asked:
        for number in numbers:
            result = of_result(asked.lookup(as_text(number), as_text(dial_plan), authoritative=authoritative))
            if not result.reachable:
                fail(service.unreachable_message(result.message), Exit.UNREACHABLE)
            if result.is_unauthorized:
                fail(f"{service.target} refuses the call: {result.message}; {TOKEN_HINT}", Exit.USAGE)
            click.echo(orjson.dumps(result.as_json()) if as_json else line(result))
            worst = max(worst, result.exit_code)
    raise SystemExit(worst)


def line(result: LookupResult) -> str:
    """Return a result as one line."""
    if result.route is None:
        return f"{printable(result.input)}: {result.reason or result.status}: {result.message}"
    route = result.route
    source = pb.Source.Name(route.source).replace("_", " ").lower()
    stale = ", stale" if route.stale else ""
    return (
        f"{printable(result.input)} → {route.number}: account {route.account_id}, {route.state} "
        f"({source}{stale}, {route.revision})"
    )


def via_switch(
    via: str, service: Service, dial_plan: str, timeout: float, *, authoritative: bool
) -> Callable[[str], SwitchView]:
    """Return a function that asks for one number by HTTP, SIP or ENUM; it ends the command where nothing answers."""
    from router.cli.via.ways import WAYS  # noqa: PLC0415 - its modules are needed for --via alone

    way = WAYS[via]
    target = way.target if service.target == DEFAULT_TARGET else service.target
    if via != "http" and (dial_plan or authoritative):
        fail(f"--dial-plan and --authoritative can't be asked for by {via}: use http or grpc", Exit.USAGE)
    headers = service.headers
    tls = service.files.context() if via == "http" and service.files is not None else None

    def ask(number: str) -> SwitchView:
        try:
            address = parse_address(target, way.target)
            question = Question(address, as_text(number), dial_plan, authoritative, timeout, tls, headers)
            view = way.ask(question)
        except OSError as problem:
            cause = f"; {service.other_cause}" if via == "http" else ""
            hint = f"start it with --set {way.setting}={target}, or name another --target{cause}"
            fail(f"no did-router answers {via} at {target}: {problem} ({hint})", Exit.UNREACHABLE)
        except ValueError as problem:
            fail(str(problem), Exit.USAGE)
        return view

    return ask
