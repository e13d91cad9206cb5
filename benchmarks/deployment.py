"""The stores that a measurement runs on, and the documents in them."""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.couch.client import CouchClient
from router.couch.errors import ConflictError, CouchError, NotFoundError
from router.couch.server import CouchServer
from router.embedded.redis import EmbeddedRedis

ACCOUNTS = [f"{index:032x}" for index in range(1, 51)]
COMMAND = str(Path(sys.executable).with_name("did-router"))


@dataclass(frozen=True, slots=True)
class Deployment:
    """Two stores and the databases made in them.

    Attributes:
        is_real: whether the documents are in a CouchDB, which reads far more slowly than the embedded database.
    """

    couchdb_url: str
    redis_url: str
    databases: CouchServer
    names: list[str]
    is_real: bool

    def command(self, *message: str) -> list[str]:
        """A did-router command against these stores."""
        return [COMMAND, *message, "--couchdb-url", self.couchdb_url, "--redis-url", self.redis_url]


def parser(message: str, *, databases: int, documents: int) -> argparse.ArgumentParser:
    """Options that every measurement has."""
    made = argparse.ArgumentParser(description=message)
    made.add_argument("--couchdb-url", help="a real CouchDB (default: the embedded database)")
    made.add_argument("--databases", type=int, default=databases, help="number databases (%(default)s)")
    made.add_argument("--documents", type=int, default=documents, help="documents in all (%(default)s)")
    return made


@contextmanager
def deployment(couchdb_url: str | None, databases: int, documents: int) -> Iterator[Deployment]:
    """Stores with documents; everything that was made is dropped at the end."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis() as redis, _couchdb(couchdb_url, folder) as url:
        client = CouchServer(CouchClient(url, timeout=120))
        names = [f"numbers/+{1000 + index}" for index in range(databases)]
        began = time.monotonic()
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda name: _fill(client, name, max(1, documents // databases)), names))
            print(f"{len(names)} databases, {documents:,} documents made in {time.monotonic() - began:.1f} s")
            yield Deployment(url, redis.url, client, names, couchdb_url is not None)
        finally:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda name: _drop(client, name), names))


def number(name: str, index: int) -> str:
    """The index-th number of a database."""
    return f"{name.removeprefix('numbers/')}{index:07d}"


def document(identifier: str, account: str) -> dict[str, Any]:
    """An ordinary number document, about as large as real ones."""
    return {
        "_id": identifier,
        "pvt_type": "number",
        "pvt_db_name": f"numbers%2F%2B{identifier[1:5]}",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": account,
        "pvt_authorizing_account": account,
        "pvt_module_name": "knm_bandwidth2",
        "pvt_module_data": {},
        "pvt_features": ["prepend"],
        "prepend": {"enabled": True, "name": "Sales"},
        "pvt_reserve_history": [account],
        "pvt_ported_in": False,
        "pvt_created": 63877497874,
        "pvt_modified": 63877497874,
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _couchdb(given: str | None, folder: str) -> Iterator[str]:
    if given:
        yield given
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "router.embedded.couchdb", "--port", str(port), "--data", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://admin:password@127.0.0.1:{port}"
    try:
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    client = CouchServer(CouchClient(url, timeout=1))
    for _ in range(100):
        try:
            client.version()
        except CouchError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the embedded database does not start")


def _fill(client: CouchServer, name: str, count: int) -> None:
    try:
        client.database(name).create()
    except ConflictError:
        raise SystemExit(f"{name} exists: point this at a CouchDB that holds nothing") from None
    for start in range(0, count, 2000):
        indexes = range(start, min(start + 2000, count))
        client.database(name).put_many(
            [document(number(name, index), ACCOUNTS[index % len(ACCOUNTS)]) for index in indexes]
        )


def _drop(client: CouchServer, name: str) -> None:
    try:
        client.database(name).drop()
    except NotFoundError:
        return
