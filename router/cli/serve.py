"""did-router serve."""

import click

from router.cli.options import server_options
from router.server.supervisor import Supervisor
from router.settings import Settings


@click.command()
@click.option("--listen", metavar="ADDR", help="Address of the gRPC service (127.0.0.1:50051).")
@click.option("--admin", "admin_listen", metavar="ADDR", help="Address of /metrics, /readyz, /state (127.0.0.1:9050).")
@click.option("--http", "http_listen", metavar="ADDR", help="Address of the HTTP API (127.0.0.1:8080; '' for none).")
@click.option("--workers", type=int, help="Worker processes that share the address (0: one per core).")
@click.option(
    "--transport",
    type=click.Choice(["auto", "edge", "native", "grpcio"]),
    help="What listens (auto: native on loopback, else Envoy before the workers, else grpcio).",
)
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen where other machines can reach it, though neither TLS nor tokens keep strangers out.",
)
@click.option("--with-follower", is_flag=True, help="Run the follower too.")
@server_options
def serve(settings: Settings, *, with_follower: bool) -> None:
    """Answer lookups over gRPC and HTTP until SIGTERM.

    Starts whether or not CouchDB and Redis are there, and says in its health and at /readyz what it can do.
    A worker that dies is replaced. SIGHUP replaces all of them one by one without losing a call; SIGTERM
    reports NOT_SERVING, lets running calls finish, and exits.

    Listens on loopback. Any other address wants TLS (settings tls_certificate, tls_key, tls_client_ca) or tokens
    (setting token_file, see did-router token new), or --insecure.
    """
    Supervisor(settings, with_follower=with_follower).run()
