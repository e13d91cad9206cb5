"""The admin address, and callers who connect and don't ask."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from router.server.admin.pages import TEXT, AdminServer

SLOW = 100
PATIENCE = 5


@pytest.fixture
def server() -> Iterator[AdminServer]:
    made = AdminServer("127.0.0.1:0", {"/healthz": lambda _: (200, TEXT, b"ok\n")})
    made.start()
    yield made
    made.stop()


def _half_a_request(server: AdminServer) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    caller.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    return caller


def _go_on(callers: list[socket.socket]) -> None:
    """So slowly that nobody counts as silent."""
    for caller in callers:
        with contextlib.suppress(OSError):
            caller.sendall(b"x")


def _is_closed(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except ConnectionError:
        return True


def test_slow_callers_take_no_thread_each_and_keep_nobody_out(server: AdminServer) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        callers: list[socket.socket] = []
        for _ in range(SLOW):
            callers.append(stack.enter_context(_half_a_request(server)))
            _go_on(callers)
        assert _is_closed(callers[0]), "the oldest had to go"
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=PATIENCE) as answer:
            assert answer.read() == b"ok\n"
        assert threading.active_count() - before < SLOW
