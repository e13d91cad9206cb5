"""The command `did-router console`."""

from importlib.util import find_spec

import click

from router.cli.options import Exit, fail, server_options
from router.settings import Settings

MISSING = "the console needs the extra [console]: pip install 'did-router[console]'"


def is_installed() -> bool:
    """Return whether the console's extra is installed."""
    return find_spec("jinja2") is not None


@click.command()
@click.option("--listen", "console_listen", metavar="ADDR", help="Address of the console (default: 127.0.0.1:9060).")
@click.option(
    "--service", "console_services", metavar="ADDR", multiple=True, help="gRPC address of a service; repeatable."
)
@click.option(
    "--instance",
    "console_instances",
    metavar="ADDR",
    multiple=True,
    help="Admin address of a service to show; repeatable.",
)
@server_options
def console(settings: Settings) -> None:
    """Serve the operators' pages until SIGTERM.

    Three pages: is it healthy, why does a number route there, and what does an account have. They are read-only.
    Visitors log in with a token of the service, and see what this token allows: lookup, manage, admin.

    \b
      did-router console                                              services on this machine
      did-router console --service 10.0.0.1:50051 --instance 10.0.0.1:9050 --instance 10.0.0.2:9050

    Where the service asks for no token, log in with the key that is printed at the start.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    if not is_installed():
        fail(MISSING, Exit.USAGE)
    from router.console.server import run_console  # noqa: PLC0415 - needs the extra

    run_console(settings, lambda line: click.echo(line, err=True))
