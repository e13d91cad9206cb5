"""did-router embedded."""

import signal
import threading
from pathlib import Path

import click

from router.cli.local_servers import embedded_redis
from router.embedded.couchdb import EmbeddedCouchDB


@click.command()
@click.option("--couchdb-port", type=int, default=0, help="Port of the embedded database (default: a free one).")
@click.option("--redis-port", type=int, default=0, help="Port of the embedded Redis (default: a free one).")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder to keep everything in.")
def embedded(couchdb_port: int, redis_port: int, data: Path | None) -> None:
    """Run only the embedded Redis and CouchDB-speaking database, on loopback, until Ctrl-C.

    Without --data everything is forgotten at the end. The password of `admin` is `password`: these servers
    are for trying out and for tests.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        embedded_redis(redis_port, data / "redis" if data else None) as redis,
        EmbeddedCouchDB(couchdb_port, data / "couchdb" if data else None) as couchdb,
    ):
        click.echo(f"export DID_ROUTER_COUCHDB_URL={couchdb.url}")
        click.echo(f"export DID_ROUTER_REDIS_URL={redis.url}")
        stop.wait()
