"""did-router embedded."""

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
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder to keep everything in.")
@click.option(
    "--nodes",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="Nodes of the database: with 2 or more it imitates a cluster, on as many ports in a row.",
)
def embedded(couchdb_port: int, redis_port: int, data: Path | None, nodes: int) -> None:
    """Run only the embedded Redis and CouchDB-speaking database, on loopback, until Ctrl-C.

    Without --data everything is forgotten at the end. The password of `admin` is `password`: these servers
    are for trying out and for tests. The nodes of a cluster take faults by `POST /_imitation/{action}`: kill, start,
    freeze, thaw, isolate, join, maintenance, lag, split, with `{"node": 0}` as JSON.
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
    """Return a port for each node, in a row; 0 for free ones.

    Raises:
        click.BadParameter: there are not so many after the first.
    """
    if first + nodes - 1 > _HIGHEST_PORT:
        raise click.BadParameter(
            f"{nodes} nodes want as many ports in a row, and the last is {_HIGHEST_PORT}: begin lower",
            param_hint="--couchdb-port",
        )
    return [first + node if first else 0 for node in range(nodes)]
