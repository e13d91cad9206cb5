"""Servers that are down, hang, or come back: an error within the timeout, and no lost connection."""

import socket
import time
from pathlib import Path

import pytest

from router.couch.client import CouchClient
from router.couch.errors import (
    CouchUnavailable,
    NotFoundError,
)
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.component.couch.conftest import ServerProcess

LONG = 60.0


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_refused_connection_is_unavailable_and_says_where() -> None:
    port = _closed_port()
    databases = CouchServer(CouchClient(f"http://admin:secret@127.0.0.1:{port}", timeout=LONG))
    with pytest.raises(CouchUnavailable, match=f"127.0.0.1:{port}") as problem:
        databases.names()
    assert "secret" not in str(problem.value)


def test_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(CouchUnavailable):
        CouchServer(CouchClient("http://no-such-host.invalid:5984", timeout=LONG)).version()


def test_stopped_server_is_unavailable_within_the_time_limit(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=0.3))
    databases.database("numbers/+1415").create()
    process.freeze()
    began = time.monotonic()
    with pytest.raises(CouchUnavailable):
        databases.database("numbers/+1415").info()
    assert time.monotonic() - began < 30, "it gave up by itself, not because the test's own time was over"


def test_server_that_goes_on_answers_again_and_with_the_right_answer(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=0.3))
    for name in ("numbers/+1415", "numbers/+1442"):
        databases.database(name).create()
    process.freeze()
    with pytest.raises(CouchUnavailable):
        databases.database("numbers/+1415").info()
    process.thaw()
    for name in ("numbers/+1442", "numbers/+1415", "numbers/+1442"):
        assert databases.database(name).info().name == name
    with pytest.raises(NotFoundError):
        databases.database("numbers/+1999").info()


def test_killed_server_is_unavailable(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=LONG))
    databases.version()
    process.kill()
    with pytest.raises(CouchUnavailable):
        databases.version()


def test_restarted_server_answers_on_kept_connections(tmp_path: Path) -> None:
    server = EmbeddedCouchDB(directory=tmp_path).start()
    databases = CouchServer(CouchClient(server.url, timeout=5.0))
    databases.database("numbers/+1415").create()
    server.stop()
    server.start()
    assert databases.names("numbers/") == ["numbers/+1415"]
    server.close()
