"""How connections over HTTP end: with every response read, and none that holds a place for nothing."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB
from router.server.api.http import app, routes
from router.server.app import Service
from router.server.calls import http_protocol
from tests.integration.http_lookup_client import HttpLookupClient
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually

PATH = f"/v1/lookup/{NUMBER}"
ONE = f"GET {PATH} HTTP/1.1\r\nHost: a\r\nRequest-Timeout: 5\r\n\r\n".encode()
BODY = json.dumps({"number": NUMBER}).encode()
POST = b"POST /v1/lookup HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)
ASKING = (
    b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n",
    f"GET {PATH} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n".encode(),
    b"POST /v1/lookup HTTP/1.1\r\nRequest-Timeout: x\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n",
)


@pytest.fixture(scope="module")
def stores(redis_server: str) -> Iterator[RealStores]:
    with EmbeddedCouchDB() as couchdb:
        made = RealStores(couchdb, redis_server)
        made.number()
        yield made
        made.close()


@pytest.fixture(scope="module")
def service(stores: RealStores) -> Iterator[Service]:
    made = Service(stores.settings(http_listen="127.0.0.1:0", http_max_connections=4), with_follower=True)
    made.start()
    eventually(lambda: made.readiness.state.name == "ready")
    yield made
    made.stop()


@pytest.fixture
def port(service: Service) -> int:
    return service.http.port


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "_REQUEST_TIMEOUT", 0.3)


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _rest(connection: socket.socket) -> bytes:
    heard = b""
    while part := connection.recv(65536):
        heard += part
    return heard


@pytest.mark.parametrize("head", ASKING)
@pytest.mark.parametrize("body", [b"", b" " * 3000, ONE])
def test_refused_body_that_asked_first_ends_the_connection(port: int, head: bytes, body: bytes) -> None:
    """RFC 9110 10.1.1: a caller may send it anyway, or not; what follows is taken for no request."""
    with _connect(port) as connection:
        connection.sendall(head)
        heard = connection.recv(65536)
        connection.sendall(body)
        heard += _rest(connection)

    assert heard.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in heard
    assert json.loads(heard.partition(b"\r\n\r\n")[2])


def test_body_that_did_not_wait_keeps_the_connection(port: int) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    with _connect(port) as connection:
        connection.sendall(head + ONE.replace(b"Host: a", b"Connection: close"))
        heard = _rest(connection)

    assert [heard.count(b"HTTP/1.1 %d " % status) for status in (404, 200)] == [1, 1]


@pytest.mark.parametrize("head", [b"POST /nowhere HTTP/1.1\r\nConnection: close\r\n", b"POST /nowhere HTTP/1.0\r\n"])
def test_response_before_a_large_body_is_not_lost(port: int, head: bytes) -> None:
    """A connection that is closed with unread bytes is reset, and its caller may lose the response."""
    with _connect(port) as connection:
        connection.sendall(head + b"Content-Length: 5000000\r\n\r\n")
        time.sleep(0.1)
        connection.sendall(b" " * 5_000_000)
        heard = _rest(connection)

    assert heard.startswith(b"HTTP/1.1 404 ")


def test_connection_beyond_the_limit_is_closed_at_once(port: int, service: Service) -> None:
    before = service.observation.dropped["http", "too_many_connections"]
    with ExitStack() as stack:
        for _ in range(4):
            kept = stack.enter_context(_connect(port))
            kept.sendall(ONE)
            assert kept.recv(65536).startswith(b"HTTP/1.1 200")

        with _connect(port) as one_more, suppress(ConnectionResetError):
            assert one_more.recv(1) == b""
        assert service.observation.dropped["http", "too_many_connections"] == before + 1

    def answers() -> bool:
        with HttpLookupClient(port) as caller:
            return caller.get(PATH).status == 200

    eventually(answers, passing=(OSError,))


@pytest.mark.usefixtures("impatient")
def test_silent_connection_is_closed(port: int) -> None:
    with _connect(port) as connection:
        assert connection.recv(1) == b""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("part", [b"\x16\x03\x01", b"GET / HTTP/1.1", ONE[:-2], POST, POST + b"{", POST[:-2]])
@pytest.mark.parametrize("requests", [0, 1])
def test_request_that_does_not_end_times_out(port: int, part: bytes, requests: int) -> None:
    with _connect(port) as connection:
        for _ in range(requests):
            connection.sendall(ONE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(part)
        heard = _rest(connection)

    assert heard.startswith(b"HTTP/1.1 408 ")
    assert json.loads(heard.partition(b"\r\n\r\n")[2])["error"]["code"] == 408


@pytest.mark.usefixtures("impatient")
def test_answered_request_whose_body_does_not_end_has_one_response(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(POST.replace(b"/v1/lookup", b"/nowhere"))
        heard = _rest(connection)

    assert heard.count(b"HTTP/1.1 ") == heard.count(b"HTTP/1.1 404 ") == 1


@pytest.mark.usefixtures("impatient")
def test_kept_connection_outlasts_the_time_of_a_request(port: int) -> None:
    with _connect(port) as connection:
        for _ in range(2):
            for piece in (POST, BODY):
                connection.sendall(piece)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(0.5)


@pytest.mark.parametrize(("owner", "name", "path"), [(app, "_found", PATH), (routes, "document", "/v1/openapi.json")])
def test_unexpected_error_is_answered_in_json(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, owner: Any, name: str, path: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("unexpected")

    with HttpLookupClient(port) as caller:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            reply = caller.get(path)

        assert (reply.status, reply.json["error"]["status"]) == (500, "INTERNAL")
        assert caller.get(path).status == 200
        assert caller.connections == 1
    assert "unexpected" in caplog.text
