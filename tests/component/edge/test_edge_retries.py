"""Envoy's retries when workers end a connection before they answer: reads are sent again, and nothing else."""

import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from router.server.edge.edge import Edge
from tests.abuse import wire
from tests.abuse.wire import HEADERS, Connection
from tests.component.edge.hanging_up import HangingUpWorker
from tests.component.edge.running_edge import RunningEdge, Start, refused
from tests.support.waiting import eventually

ATTEMPTS = 5
GRPC_UNIMPLEMENTED = b"\x0212"
"""The status as a literal of HPACK, which is shorter than by Huffman's code."""


class FailingWorker(HangingUpWorker):
    """Takes a call's headers, then hangs up.

    Attributes:
        calls: that it was sent.
    """

    def __init__(self, edge: Edge) -> None:
        self.calls = 0
        super().__init__(edge)

    def _take(self, connection: socket.socket) -> None:
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
def silent(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEdge]:
    """An edge whose only worker never responds; a Lookup may take 0.5 s."""
    monkeypatch.setattr("router.server.edge.plan._UPLOAD_TIME", 0.3)
    running = start(lookup_timeout=0.2)
    path = running.edge.new_socket("worker-0")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        running.edge.set_endpoints([path])
        members = b'envoy_cluster_membership_total{envoy_cluster_name="lookups"} 1'
        eventually(lambda: members in running.edge.metrics())
        yield running


def test_lookup_ends_in_time(silent: RunningEdge) -> None:
    """The call ends so whether the response or the rest of the request is missing."""
    with Connection(silent.port) as caller:
        caller.greet().send(wire.frame(HEADERS, wire.END_HEADERS, 1, wire.call_headers(wire.LOOKUP)))
        eventually(lambda: 1 in caller.ended, 5)
    with grpc.insecure_channel(f"127.0.0.1:{silent.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        problem = refused(channel)
    assert problem.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert problem.details() == "downstream duration timeout", "by Envoy, before the caller's own deadline"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction of a second in place of ten, after which Envoy ends an idle call."""
    monkeypatch.setattr("router.server.edge.routes._IDLE_TIMEOUT", 0.3)


def test_stream_of_lookups_may_idle_longer_than_a_call(impatient: None, silent: RunningEdge) -> None:
    with Connection(silent.port) as caller:
        caller.greet().send(wire.frame(HEADERS, wire.END_HEADERS, 1, wire.call_headers(wire.STREAM)))
        for later in (3, 5):
            caller.send(wire.frame(HEADERS, wire.END_HEADERS, later, wire.call_headers(wire.BATCH)))
            eventually(lambda stream=later: stream in caller.ended, 10)  # type: ignore[misc]
        assert caller.ended == {3, 5}


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


@pytest.mark.parametrize(
    "values", [["gzip"], ["gzip", "identity"], ["identity", "gzip"], ["identity", "gzip", "identity"]], ids=" ".join
)
@pytest.mark.parametrize("path", [wire.LOOKUP, wire.BATCH, wire.STREAM, "/router.v1.NumberManager/Create"])
def test_compressed_messages_reach_no_worker(
    edge: tuple[RunningEdge, list[FailingWorker]], path: str, values: list[str]
) -> None:
    """Native would decompress a gigabyte before it judges the token."""
    running, workers = edge
    with Connection(running.port) as caller:
        caller.greet().ask(1, path, b"", [("grpc-encoding", each) for each in values])
        assert caller.wait_ended(1, 10)
    assert not any(each.calls for each in workers)
    assert GRPC_UNIMPLEMENTED in caller.header_bytes


def test_identity_encoding_reaches_the_workers(edge: tuple[RunningEdge, list[FailingWorker]]) -> None:
    running, workers = edge
    with Connection(running.port) as caller:
        caller.greet().ask(1, wire.LOOKUP, b"", [("grpc-encoding", "identity")] * 2)
        assert caller.wait_ended(1, 10)
    assert sum(each.calls for each in workers) == ATTEMPTS
