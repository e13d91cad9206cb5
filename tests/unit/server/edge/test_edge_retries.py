"""What Envoy does when workers end a connection before they answer: it sends reads again, and nothing else."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from router.server.edge.edge import Edge
from tests.cli.command import eventually
from tests.hostile.wire import HEADERS
from tests.unit.server.edge.running_edge import RunningEdge, Start

ATTEMPTS = 5


class FailingWorker:
    """Takes a call's headers, then hangs up.

    Attributes:
        calls: that it was sent.
    """

    def __init__(self, edge: Edge) -> None:
        self.calls = 0
        self.path = edge.new_socket("worker-0")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._read_call(connection)

    def _read_call(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        held = b""
        at = 24  # after the preface
        while content := connection.recv(1 << 16):
            held += content
            while len(held) >= at + 9:
                if held[at + 3] == HEADERS:
                    self.calls += 1
                    return
                at += 9 + int.from_bytes(held[at : at + 3])


@pytest.fixture
def edge(start: Start) -> Iterator[tuple[RunningEdge, list[FailingWorker]]]:
    running = start()
    workers = [FailingWorker(running.edge) for _ in range(2)]
    running.edge.set_endpoints(each.path for each in workers)
    members = b'envoy_cluster_membership_total{envoy_cluster_name="lookups"} 2'
    eventually(lambda: members in running.edge.metrics())
    yield running, workers
    for each in workers:
        each.close()


@pytest.mark.parametrize(
    ("method", "attempts"),
    [
        ("InboundRouter/Lookup", ATTEMPTS),
        ("InboundRouter/LookupBatch", ATTEMPTS),
        ("InboundRouter/Explain", ATTEMPTS),
        ("InboundRouter/LookupStream", 1),
        ("NumberManager/Create", 1),
        ("NumberManager/Get", 1),
    ],
)
def test_calls_are_sent_again(edge: tuple[RunningEdge, list[FailingWorker]], method: str, attempts: int) -> None:
    running, workers = edge
    with grpc.insecure_channel(f"127.0.0.1:{running.port}", [("grpc.use_local_subchannel_pool", 1)]) as made:
        channel: Any = made
        problem = channel.unary_unary(f"/router.v1.{method}").future(b"", timeout=10).exception()
    assert problem.code() is grpc.StatusCode.UNAVAILABLE
    assert sum(each.calls for each in workers) == attempts
    if attempts > 1:
        assert all(each.calls for each in workers), "not the same worker each time"
