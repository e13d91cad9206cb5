"""The command `did-router embedded`."""

import signal
import threading
from pathlib import Path

import click

from router.cli.local_servers import check_ports_free, embedded_redis
from router.embedded import EmbeddedCluster, EmbeddedCouchDB

_HIGHEST_PORT = 65535
_PORT = click.IntRange(0, _HIGHEST_PORT)


@click.command()
@click.option("--couchdb-port", type=_PORT, default=0, help="Port of the embedded database (default: a free one).")
@click.option("--redis-port", type=_PORT, default=0, help="Port of the embedded Redis (default: a free one).")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Folder for the data; without it nothing is kept."
)
@click.option(
    "--nodes",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="Nodes of the database; 2 or more imitate a cluster, on consecutive ports.",
)
def embedded(couchdb_port: int, redis_port: int, data: Path | None, nodes: int) -> None:
    """Run only the embedded Redis and CouchDB-speaking database, on loopback, until Ctrl-C.

    For tests and for trying things out: the user is `admin`, the password `password`. Without --data, all data is lost
    at the end.

    The nodes of a cluster simulate faults on `POST /_imitation/{action}`: kill, start, freeze, thaw, isolate, join,
    maintenance, lag, split, with `{"node": 0}` as JSON.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = data / "couchdb" if data else None
    ports = _ports(nodes, couchdb_port)
    check_ports_free({"--couchdb-port": couchdb_port, "--redis-port": redis_port})
    for port in ports[1:]:
        check_ports_free({"--couchdb-port": port})
    couchdb = EmbeddedCouchDB(couchdb_port, folder) if nodes == 1 else EmbeddedCluster(nodes, ports, folder)
    with embedded_redis(redis_port, data / "redis" if data else None) as redis, couchdb:
        url = couchdb.joined_url if isinstance(couchdb, EmbeddedCluster) else couchdb.url
        click.echo(f"export DID_ROUTER_COUCHDB_URL={url}")
        click.echo(f"export DID_ROUTER_REDIS_URL={redis.url}")
        stop.wait()


def _ports(nodes: int, first: int) -> list[int]:
    """Return a port per node, consecutive; 0: free ones.

    Raises:
        click.BadParameter: there are not enough ports after the first.
    """
    if first + nodes - 1 > _HIGHEST_PORT:
        raise click.BadParameter(
            f"{nodes} nodes need consecutive ports up to {_HIGHEST_PORT} at most: choose a lower first port",
            param_hint="--couchdb-port",
        )
    return [first + node if first else 0 for node in range(nodes)]
