"""Envoy's retries over HTTP: a change is sent once, however its path is written."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from router.server.calls.http import http_socket
from router.server.edge.admin import EnvoyAdmin
from router.server.edge.edge import Edge
from tests.component.edge.hanging_up import HangingUpWorker
from tests.component.edge.running_edge import RunningEdge, Start
from tests.support.waiting import eventually

ATTEMPTS = 5


class FailingHttpWorker(HangingUpWorker):
    """Takes a request's head, then hangs up.

    Attributes:
        paths: of the requests that it was sent.
    """

    def __init__(self, edge: Edge) -> None:
        self.paths: list[str] = []
        super().__init__(edge, http_socket)

    def _take(self, connection: socket.socket) -> None:
        head = connection.recv(1 << 16)
        if head:
            self.paths.append(head.split()[1].decode())


@pytest.fixture
def edge(start: Start) -> Iterator[tuple[RunningEdge, list[FailingHttpWorker]]]:
    running = start()
    workers = [FailingHttpWorker(running.edge) for _ in range(2)]
    running.edge.set_endpoints(each.path for each in workers)
    admin = EnvoyAdmin(running.edge.plan.admin_socket)
    eventually(lambda: all(admin.has_endpoint(http_socket(each.path)) for each in workers))
    yield running, workers
    for each in workers:
        each.close()


READS = ("/v1/lookup", "/v1/lookup?number=1", "/v1/lookup/+14158867900", "/v1/lookups", "/v1/explain/+14158867900")
CHANGES = (
    "/v1/numbers/create",
    "/v1/numbers/create?x=1",
    "/v1/%6eumbers/create",
    "/v1/numbers%2Fcreate",
    "/v1%2Fnumbers%2Fcreate",
    "/%76%31/numbers/create",
    "//v1/numbers/create",
    "/v1/./numbers/create",
    "/v1/lookup%2F..%2Fnumbers/create",
    "/v1/lookups/../numbers/create",
)


@pytest.mark.parametrize(
    ("path", "attempts"),
    [*((each, ATTEMPTS) for each in (*READS, "/freeswitch/dialplan")), *((each, 1) for each in CHANGES)],
)
def test_http_requests_are_sent_again_only_for_reads(
    edge: tuple[RunningEdge, list[FailingHttpWorker]], path: str, attempts: int
) -> None:
    running, workers = edge
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("POST", path, b"{}")
    assert connection.getresponse().status == 503
    connection.close()
    paths = [sent for each in workers for sent in each.paths]
    assert paths == [path] * attempts
