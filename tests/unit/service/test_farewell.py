"""Seeing clients off: what a client of each server is told, byte by byte."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pygrpc_native import NativeGrpcFront

from router.service.farewell import see_off, stop_listening

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000 04 00 00000000")
ASKED_TO_LEAVE = bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")


@pytest.fixture(params=["native", "grpcio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Where a server of either kind listens."""
    if request.param == "native":
        front = NativeGrpcFront("127.0.0.1:0", [("/a/B", False)])
        front.start()
        yield front.bound_port
        front.close()
        return
    server = grpc.server(ThreadPoolExecutor(1))
    found = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found
    server.stop(None)


def connected(port: int) -> socket.socket:
    """A client that has greeted and was greeted."""
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(PREFACE)
    assert made.recv(4096)
    return made


def told(client: socket.socket, wanted: bytes) -> bytes:
    """What it receives until it received that."""
    seen = b""
    while wanted not in seen:
        more = client.recv(4096)
        assert more, "the connection ended before"
        seen += more
    return seen


def test_a_client_is_asked_to_leave_and_its_connection_goes_on(port: int) -> None:
    left: list[bool] = []
    with connected(port) as client:
        waiting = threading.Thread(target=lambda: left.append(see_off(port, 20)))
        waiting.start()
        told(client, ASKED_TO_LEAVE)
        client.sendall(bytes.fromhex("000008 06 00 00000000") + b"still on")
        told(client, bytes.fromhex("000008 06 01 00000000") + b"still on")
        assert left == []
    waiting.join(10)

    assert left == [True]


def test_it_waits_no_longer_than_it_may(port: int) -> None:
    with connected(port):
        assert not see_off(port, 0.1)


def test_nobody_new_gets_in(port: int) -> None:
    with connected(port) as client:
        stop_listening(port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        client.sendall(bytes.fromhex("000008 06 00 00000000") + b"still on")
        told(client, bytes.fromhex("000008 06 01 00000000") + b"still on")


def test_somebody_elses_port_is_left_alone(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, connected(port):
        assert see_off(other.getsockname()[1], 1)
