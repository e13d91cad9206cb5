"""The command `did-router serve`."""

import click

from router.cli.console import MISSING, is_installed
from router.cli.options import Exit, fail, server_options
from router.server.supervisor import Supervisor
from router.settings import Settings


@click.command()
@click.option("--listen", metavar="ADDR", help="Address of the gRPC service (default: 127.0.0.1:50051).")
@click.option(
    "--admin", "admin_listen", metavar="ADDR", help="Address of /metrics, /readyz and /state (default: 127.0.0.1:9050)."
)
@click.option(
    "--http", "http_listen", metavar="ADDR", help="Address of the HTTP API (default: 127.0.0.1:8080); '': none."
)
@click.option("--workers", type=int, help="Worker processes that share the address; 0: one per core.")
@click.option(
    "--transport",
    type=click.Choice(["auto", "edge", "native", "grpcio"]),
    help="Server implementation. auto: native on loopback, else Envoy in front of the workers, else grpcio.",
)
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Allow an address that other machines can reach without TLS or tokens.",
)
@click.option("--with-follower", is_flag=True, help="Also run the follower.")
@click.option("--with-console", is_flag=True, help="Also run the operators' pages (see did-router console --help).")
@server_options
def serve(settings: Settings, *, with_follower: bool, with_console: bool) -> None:
    """Answer lookups over gRPC and HTTP until SIGTERM.

    Starts even if CouchDB and Redis are unavailable; its health service and /readyz report its state. A worker that
    dies is replaced. SIGHUP replaces all workers one by one without losing a call. SIGTERM reports NOT_SERVING,
    lets running calls finish, and exits.

    Listens on loopback by default. Any other address requires TLS (settings tls_certificate, tls_key, tls_client_ca),
    tokens (setting token_file, see did-router token new), or --insecure.
    """
    if with_console and not is_installed():
        fail(MISSING, Exit.USAGE)
    Supervisor(settings, with_follower=with_follower, with_console=with_console).run()
