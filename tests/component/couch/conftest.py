"""A CouchDB for each test, in this process or in one that can be stopped."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.processes import freeze, thaw


@pytest.fixture
def server() -> Iterator[EmbeddedCouchDB]:
    made = EmbeddedCouchDB().start()
    yield made
    threading.Thread(target=made.close).start()


@pytest.fixture
def databases(server: EmbeddedCouchDB) -> CouchServer:
    return CouchServer(CouchClient(server.url, timeout=5.0))


class ServerProcess:
    """A CouchDB that can be stopped as a whole, as a machine that hangs."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "router.embedded.couchdb"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[-1].removeprefix("http://")
        self.url = f"http://admin:password@{self.address}"

    def freeze(self) -> None:
        """Freeze the process: it takes connections and sends nothing."""
        freeze(self.process.pid)

    def thaw(self) -> None:
        """Let the process continue."""
        thaw(self.process.pid)

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def process() -> Iterator[ServerProcess]:
    made = ServerProcess()
    yield made
    made.kill()
