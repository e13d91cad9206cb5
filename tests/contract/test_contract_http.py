"""HTTP: kept and closed connections, bodies, and malformed requests."""

import socket

import pytest

from tests.contract.exchange import Couch, Database


def converse(couch: Couch, text: str) -> bytes:
    """Send bytes as they are; everything that comes back until the server hangs up."""
    with socket.create_connection(couch.address, timeout=5) as client:
        client.sendall(text.replace("\n", "\r\n").encode())
        received = b""
        while data := client.recv(65536):
            received += data
        return received


def test_connection_serves_many_requests(database: Database) -> None:
    database.couch.get("/_up")
    used = database.couch.connection.sock
    for _ in range(5):
        assert database.couch.get(database.path).status == 200
        assert database.couch.get(f"{database.path}/_changes").status == 200
        assert database.couch.get(f"{database.path}/_all_docs").status == 200
        assert database.couch.get(f"{database.path}/none").status == 404
    assert database.couch.connection.sock is used


def test_close_means_close(couch: Couch) -> None:
    received = converse(couch, "GET /_up HTTP/1.1\nHost: x\nConnection: close\n\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"}\n")


def test_oldest_clients_are_served(couch: Couch) -> None:
    received = converse(couch, "GET /_up HTTP/1.0\n\n")
    assert b" 200 OK\r\n" in received
    assert received.endswith(b"}\n")


def test_requests_sent_ahead_are_answered_in_order(couch: Couch) -> None:
    request = "GET /{} HTTP/1.1\nHost: x\n{}\n"
    received = converse(couch, request.format("_up", "") + request.format("", "Connection: close\n"))
    assert received.index(b'"seeds"') < received.index(b'"Welcome"')


def test_client_may_ask_before_it_sends(database: Database) -> None:
    text = (
        f"PUT {database.path}/a HTTP/1.1\nHost: x\nAuthorization: {database.couch.authorization}\n"
        "Content-Type: application/json\nContent-Length: 7\nExpect: 100-continue\nConnection: close\n\n"
    )
    received = converse(database.couch, text + '{"a":1}')
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert b"HTTP/1.1 201 Created\r\n" in received


def test_head_of_a_stream_has_no_body(database: Database) -> None:
    for path in ("/_all_docs", "/_changes"):
        answer = database.couch.send("HEAD", database.path + path)
        assert (answer.status, answer.body) == (200, b"")
    assert database.couch.get(database.path).status == 200


@pytest.mark.parametrize("text", ["nonsense\n\n", "GET\n\n"])
def test_server_bytes_that_are_not_http_get_400(own_couch: Couch, text: str) -> None:
    # a real one says nothing and waits
    assert converse(own_couch, text).startswith(b"HTTP/1.1 400")
    assert own_couch.get("/_up").status == 200


def test_client_that_leaves_in_the_middle_harms_nothing(database: Database) -> None:
    with socket.create_connection(database.couch.address, timeout=5) as client:
        client.sendall(f"PUT {database.path}/a HTTP/1.1\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert database.couch.get(f"{database.path}/a").status == 404
