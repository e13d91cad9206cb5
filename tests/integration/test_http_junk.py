"""Requests that are odd, too large, late or no HTTP: each has its response, and none takes another's away."""

import json
import socket
from collections.abc import Iterator

import pytest

from router.embedded import EmbeddedCouchDB
from router.server.app import Service
from tests.integration.conftest import StartService
from tests.integration.http_lookup_client import HttpLookupClient
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually

ONE = f"GET /v1/lookup/{NUMBER} HTTP/1.1\r\nHost: a\r\nRequest-Timeout: 5\r\n\r\n".encode()


def _say(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        heard = b""
        while part := connection.recv(65536):
            heard += part
        return heard


@pytest.mark.parametrize("junk", [b"FOO /x HTTP/7.1\r\nHost: a\r\n\r\n", b"garbage\r\n\r\n"])
@pytest.mark.parametrize("requests", [0, 1, 3])
def test_junk_behind_requests_takes_no_response_away(
    stores: RealStores, start_service: StartService, junk: bytes, requests: int
) -> None:
    stores.number()
    service = start_service(http_listen="127.0.0.1:0").service
    assert service.http is not None

    heard = _say(service.http.port, ONE * requests + junk)

    assert heard.count(b"HTTP/1.1 200") == requests
    assert heard.count(b"HTTP/1.1 400") == (0 if requests else 1)


@pytest.mark.parametrize("requests", [0, 1, 3])
def test_body_that_breaks_off_is_refused_behind_other_responses(
    stores: RealStores, start_service: StartService, requests: int
) -> None:
    stores.number()
    service = start_service(http_listen="127.0.0.1:0").service
    assert service.http is not None
    broken = b"POST /v1/lookup HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"

    heard = _say(service.http.port, ONE * requests + broken)

    assert heard.count(b"HTTP/1.1 200") == requests
    assert heard.count(b"HTTP/1.1 400") == (0 if requests else 1)


def test_http_1_0_is_sent_no_100(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    service = start_service(http_listen="127.0.0.1:0").service
    assert service.http is not None
    body = b'{"number":"+14158867900"}'
    head = (
        b"POST /v1/lookup HTTP/1.0\r\nRequest-Timeout: 5\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )

    heard = _say(service.http.port, head + body)

    assert (heard.count(b" 100 "), heard.count(b" 200 ")) == (0, 1)


@pytest.fixture(scope="module")
def port(redis_server: str) -> Iterator[int]:
    """Of a service that the tests below share, since they change nothing."""
    with EmbeddedCouchDB() as couchdb:
        shared = RealStores(couchdb, redis_server)
        shared.number()
        service = Service(shared.settings(http_listen="127.0.0.1:0"), with_follower=True)
        service.start()
        eventually(lambda: service.readiness.state.name == "ready")
        yield service.http.port
        service.stop()
        shared.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 400_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"b" * 400_000, 431),
        (b"POST /v1/lookup HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 101, 431),
    ],
)
def test_head_beyond_its_bounds_is_refused(port: int, request_: bytes, status: int) -> None:
    heard = _say(port, request_)

    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(body)["error"]["code"] == status
    assert json.loads(body)["sip"]["code"] == 503


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_head_within_its_bounds_is_read_in_any_pieces(port: int, pieces: int) -> None:
    request = (
        ONE[:-2] + b"".join(b"X-%d: %s\r\n" % (each, b"y" * 150) for each in range(90)) + b"Connection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = len(request) // pieces + 1
        for at in range(0, len(request), size):
            connection.sendall(request[at : at + size])
        heard = b""
        while part := connection.recv(65536):
            heard += part

    assert heard.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("path", "status"), [("/v1/lookups", 405), (f"/v1/lookup/{NUMBER}", 405), ("/nowhere", 404)])
@pytest.mark.parametrize("method", ["FOO", "get", "GETS", "PROPFIND"])
def test_unknown_method_is_answered_and_keeps_the_connection(port: int, method: str, path: str, status: int) -> None:
    with HttpLookupClient(port) as caller:
        replies = [caller.request(method, path, b"{}") for _ in range(2)]

        assert [reply.status for reply in replies] == [status] * 2
        assert replies[0].json["error"]["code"] == status
        assert ("allow" in replies[0].headers) == (status == 405)
        assert caller.get(f"/v1/lookup/{NUMBER}").status == 200
        assert caller.connections == 1


def test_unknown_method_among_pipelined_requests_is_answered(port: int) -> None:
    odd = b"FOO /v1/lookups HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n{}\nBAR /x HTTP/1.1\r\nHost: a\n"
    assert len(odd.partition(b"\r\n\r\n")[2]) == 28, "the body holds a request line"

    heard = _say(port, ONE + odd[:-1] + b"+" + odd + ONE.replace(b"Host: a", b"Connection: close"))

    assert [heard.count(b"HTTP/1.1 %d" % status) for status in (200, 405, 400)] == [2, 2, 0]
    assert heard.index(b" 200 ") < heard.index(b" 405 ") < heard.rindex(b" 200 ")


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_request_line_in_pieces_is_read(port: int, cut: int) -> None:
    request = b"FOO /v1/lookups HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:cut])
        connection.sendall(request[cut:])

        assert connection.recv(65536).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize("body", [b" " * (3 << 20), b" " * (1 << 20) + b"{}"])
def test_body_beyond_its_bound_keeps_the_connection(port: int, body: bytes) -> None:
    with HttpLookupClient(port) as caller:
        reply = caller.request("POST", "/v1/lookup", body)

        assert (reply.status, reply.json["error"]["status"]) == (413, "RESOURCE_EXHAUSTED")
        assert caller.get(f"/v1/lookup/{NUMBER}").status == 200
        assert caller.connections == 1


@pytest.mark.parametrize("path", [f"/v1/lookup/{NUMBER}", "/v1/openapi.json"])
def test_http_1_0_connection_is_kept_where_its_caller_asks(port: int, path: str) -> None:
    kept = f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode()

    heard = _say(port, kept * 2 + kept.replace(b"Connection: keep-alive\r\n", b"")).lower()

    assert heard.count(b"http/1.1 200") == 3
    assert (heard.count(b"connection: keep-alive"), heard.count(b"connection: close")) == (2, 1)


@pytest.mark.parametrize("requests", [1, 3])
def test_half_closed_connection_gets_its_responses(port: int, requests: int) -> None:
    asked = ONE.replace(NUMBER.encode(), NUMBER.encode() + b"?consistency=AUTHORITATIVE")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(asked * requests)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        while part := connection.recv(65536):
            heard += part

    assert heard.count(b"HTTP/1.1 200") == requests


def test_half_of_a_request_ends_with_its_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /v1/lookup HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(65536) == b""


@pytest.mark.parametrize("path", ["/v1/lookups/", "/v1/openapi.json/", "/freeswitch/dialplan/"])
def test_path_with_a_slash_too_many_is_not_found(port: int, path: str) -> None:
    with HttpLookupClient(port) as caller:
        reply = caller.post(path, {})

    assert (reply.status, reply.json["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", [f"/v1/lookup/{NUMBER}", f"/v1/explain/{NUMBER}"])
def test_deadline_that_is_over_is_exceeded_at_once(port: int, path: str) -> None:
    with HttpLookupClient(port) as caller:
        reply = caller.get(path, {"Grpc-Timeout": "0m"})

    assert (reply.status, reply.json["error"]["status"]) == (504, "DEADLINE_EXCEEDED")
