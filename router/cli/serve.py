"""did-router serve."""

import logging
import signal
import threading

import click

from router.cli.options import server_options
from router.service.service import Service
from router.settings import Settings, without_password

log = logging.getLogger(__name__)


@click.command()
@click.option("--listen", metavar="ADDR", help="Address of the gRPC service (127.0.0.1:50051).")
@click.option("--admin", "admin_listen", metavar="ADDR", help="Address of /metrics, /readyz, /state (127.0.0.1:9050).")
@click.option("--with-follower", is_flag=True, help="Run the follower in this process too.")
@server_options
def serve(settings: Settings, *, with_follower: bool) -> None:
    """Answer lookups over gRPC until SIGTERM.

    Starts whether or not CouchDB and Redis are there, and says in its health and at /readyz what it can do.
    On SIGTERM it reports NOT_SERVING, lets running calls finish, and exits.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service(settings, with_follower=with_follower)
    service.start()
    log.info(
        "listening on %s, admin on %s, CouchDB %s, Redis %s",
        _bound(settings.listen, service.server.port),
        _bound(settings.admin_listen, service.admin.port),
        without_password(settings.couchdb_url),
        without_password(settings.redis_url),
    )
    stop.wait()
    log.info("draining: running calls finish, new ones go elsewhere")
    service.stop()


def _bound(address: str, port: int) -> str:
    """The address with the port that was bound: 0 asks for a free one."""
    return f"{address.rpartition(':')[0]}:{port}"
