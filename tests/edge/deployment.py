"""Services behind their edges, on stores that they share, and what can be done to their processes."""

import contextlib
import signal
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import grpc

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.cli.command import DOCUMENTS, Process, Running, children_of, databases_at, serving
from tests.integration.certificates import CertAuthority
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

WORKERS = 2
_LIMITS = ("redis_timeout=2", "couchdb_read_timeout=3", "lookup_timeout=3")
PATIENT = tuple(word for limit in _LIMITS for word in ("--set", limit))
"""Settings for a machine with much else to do: its stores are slow, and that is not what the tests are about."""


@dataclass(frozen=True)
class Stores:
    """The stores that the services of a deployment share."""

    couchdb: str
    redis: str
    folder: Path
    authority: CertAuthority


@dataclass
class Instance:
    """One `did-router serve` behind its edge."""

    running: Running
    authority: CertAuthority | None

    @property
    def port(self) -> int:
        """That callers reach."""
        return int(self.running.target.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.running.process.popen.pid

    def end(self) -> None:
        """SIGTERM, unless it ended before."""
        if self.running.process.popen.poll() is None:
            self.running.process.end(signal.SIGTERM, 30)

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        if self.authority is not None:
            return self.authority.channel(self.port)
        return grpc.insecure_channel(self.running.target, options=[("grpc.use_local_subchannel_pool", 1)])

    @contextmanager
    def http(self) -> Iterator[HTTPConnection]:
        """An HTTP/1.1 connection."""
        if self.authority is None:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        else:
            context = ssl.create_default_context(cadata=self.authority.pem.decode())
            connection = HTTPSConnection("localhost", self.port, timeout=10, context=context)
        try:
            yield connection
        finally:
            connection.close()

    @property
    def envoy(self) -> int:
        """Envoy's process id; 0 while there is none."""
        return next((pid for pid in children_of(self.pid) if "envoy.json" in _command(pid)), 0)

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers, oldest first."""
        return [pid for pid in sorted(children_of(self.pid)) if "multiprocessing.spawn" in _command(pid)]

    def wait_whole(self) -> None:
        """Until Envoy knows every worker."""
        eventually(lambda: self.figure('envoy_cluster_membership_total{envoy_cluster_name="lookups"}') == WORKERS, 30)

    def figure(self, name: str) -> float:
        """One line of /metrics; 0 for none."""
        lines = [line for line in self.running.page("/metrics").splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def freeze(self, pid: int, seconds: float) -> None:
        """Have a process stand still for a while."""
        freeze(pid)
        time.sleep(seconds)
        thaw(pid)


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


@contextmanager
def stores() -> Iterator[Stores]:
    """A database and a Redis with the command tests' numbers."""
    with EmbeddedCouchDB() as couchdb, EmbeddedRedis() as redis, tempfile.TemporaryDirectory() as folder:
        databases = databases_at(couchdb.url)
        for name, documents in DOCUMENTS.items():
            databases.database(name).create()
            databases.database(name).put_many(documents)
        yield Stores(couchdb.url, redis.url, Path(folder), CertAuthority())


def launch(
    shared: Stores, *more: str, tls: bool = True, listen: str = "127.0.0.1:0", workers: int = WORKERS
) -> Instance:
    """A service that answers."""
    message = [
        "serve",
        "--workers",
        str(workers),
        "--listen",
        listen,
        "--admin",
        "127.0.0.1:0",
        "--http",
        "",
        "--transport",
        "edge",
    ]
    message += ["--couchdb-url", shared.couchdb, "--redis-url", shared.redis, "--set", "drain_delay=0"]
    if tls:
        certificate, key = shared.authority.issue(shared.folder)
        message += ["--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}"]
    process = Process(*message, *more)
    try:
        return Instance(serving(process), shared.authority if tls else None)
    except BaseException:
        process.popen.kill()
        raise


@contextmanager
def instance(shared: Stores, *more: str, tls: bool = True) -> Iterator[Instance]:
    """Run a deployment until the end of the block."""
    made = launch(shared, *more, tls=tls)
    try:
        yield made
    finally:
        made.end()
