"""What is no HTTP request ends its connection, and takes no response from the requests before it."""

import socket

import pytest

from tests.integration.conftest import StartService
from tests.integration.world import NUMBER, World

ONE = f"GET /v1/lookup/{NUMBER} HTTP/1.1\r\nHost: a\r\nRequest-Timeout: 5\r\n\r\n".encode()


def _say(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        heard = b""
        while part := connection.recv(65536):
            heard += part
        return heard


@pytest.mark.parametrize("junk", [b"FOO /x HTTP/1.1\r\nHost: a\r\n\r\n", b"garbage\r\n\r\n"])
@pytest.mark.parametrize("requests", [0, 1, 3])
def test_junk_behind_requests_takes_no_response_away(
    world: World, start_service: StartService, junk: bytes, requests: int
) -> None:
    world.number()
    service = start_service(http_listen="127.0.0.1:0").service
    assert service.http is not None

    heard = _say(service.http.port, ONE * requests + junk)

    assert heard.count(b"HTTP/1.1 200") == requests
    assert heard.count(b"HTTP/1.1 400") == (0 if requests else 1)


def test_http_1_0_is_sent_no_100(world: World, start_service: StartService) -> None:
    world.number()
    service = start_service(http_listen="127.0.0.1:0").service
    assert service.http is not None
    body = b'{"number":"+14158867900"}'
    head = (
        b"POST /v1/lookup HTTP/1.0\r\nRequest-Timeout: 5\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )

    heard = _say(service.http.port, head + body)

    assert (heard.count(b" 100 "), heard.count(b" 200 ")) == (0, 1)
