"""The admin pages of several workers, some of which hang, are away, or end while they answer."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import orjson
import pytest

from router.server.admin import aggregate
from router.server.admin.aggregate import AggregatedPages
from router.server.admin.pages import JSON, TEXT, AdminServer

METRICS = b"# HELP did_router_serving calls get answers\n# TYPE did_router_serving gauge\ndid_router_serving 1.0\n"
HUNG = 5
DEADLINE = 1.0
"""Seconds in place of two, which would be the whole time of these tests."""


@pytest.fixture(autouse=True)
def _short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "_DEADLINE", DEADLINE)


@contextmanager
def worker() -> Iterator[int]:
    """The admin port of a worker that answers."""
    pages = {
        "/metrics": lambda _: (200, TEXT, METRICS),
        "/state": lambda _: (200, JSON, b'{"state": "ready"}'),
        "/readyz": lambda _: (200, TEXT, b"ready\n"),
    }
    kept = {"/near_cache/": lambda authorization, argument: (200, JSON, orjson.dumps({"detail": argument}))}
    server = AdminServer("127.0.0.1:0", pages, argument_pages=kept)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def hung_worker() -> Iterator[int]:
    """The admin port of a stopped process: the kernel accepts connections, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def ending_worker() -> Iterator[int]:
    """The admin port of a worker that ends in the middle of its answer."""

    def end_early(_: str | None) -> tuple[int, str, bytes]:
        return 200, TEXT, Cut(METRICS)

    class Cut(bytes):
        def __len__(self) -> int:
            return 10_000

    server = AdminServer("127.0.0.1:0", {"/metrics": end_early, "/readyz": end_early, "/state": end_early})
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


class FakeEdge:
    """An edge that answers as soon as it may; `asked` is set when it is asked."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def problem(self) -> str:
        return self._answer("Envoy is not serving")

    def metrics(self) -> bytes:
        return self._answer("envoy_server_live 1\n").encode()

    def _answer(self, text: str) -> str:
        self.asked.set()
        self.may_answer.wait(20)
        return text


@contextmanager
def gathered(ports: Mapping[str, int], edge: FakeEdge | None = None) -> Iterator[str]:
    """The address of the pages of all of them."""
    pages = AggregatedPages("127.0.0.1:0", lambda: ports, edge=edge)
    pages.start()
    try:
        yield pages.address
    finally:
        pages.stop()


def page(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


@pytest.mark.parametrize("path", ["/metrics", "/state", "/readyz"])
def test_workers_that_hang_hide_no_other_and_cost_one_deadline_together(path: str) -> None:
    with ExitStack() as stack:
        ports = {f"worker-{index}": stack.enter_context(hung_worker()) for index in range(HUNG)}
        ports["worker-9"] = stack.enter_context(worker())
        address = stack.enter_context(gathered(ports))
        began = time.monotonic()
        text = page(address, path)
        took = time.monotonic() - began

    assert took < HUNG * DEADLINE, "they were asked one after the other"
    shown = {"/metrics": 'did_router_serving{worker="worker-9"} 1.0', "/state": '"ready"', "/readyz": "worker-9: ready"}
    assert shown[path] in text


def test_metrics_say_which_workers_answered() -> None:
    with worker() as one, hung_worker() as hung, ending_worker() as ending:
        ports = {"worker-0": one, "worker-1": hung, "worker-2": 0, "worker-3": ending}
        with gathered(ports) as address:
            lines = page(address, "/metrics").splitlines()

    up = [line for line in lines if line.startswith("did_router_worker_up{")]
    assert up == [
        f'did_router_worker_up{{worker="worker-{index}"}} {value}' for index, value in enumerate(("1.0", *["0.0"] * 3))
    ]
    assert [line for line in lines if line.startswith("did_router_serving{")] == [
        'did_router_serving{worker="worker-0"} 1.0'
    ]


def test_near_cache_of_a_number_is_asked_of_every_worker() -> None:
    with worker() as one, hung_worker() as hung, gathered({"worker-0": one, "worker-1": hung}) as address:
        shown = orjson.loads(page(address, "/near_cache/%2B14158867900"))

    assert shown == {"workers": {"worker-0": {"detail": "+14158867900"}, "worker-1": None}}


def test_readiness_says_why_a_worker_is_not_counted() -> None:
    with hung_worker() as hung, gathered({"worker-0": hung, "worker-1": 0}) as address:
        with pytest.raises(urllib.error.HTTPError) as refused:
            page(address, "/readyz")
        with refused.value as answer:
            assert answer.code == 503
            assert answer.read() == b"worker-0: no answer within 2 s\nworker-1: not in service\n"


def test_metrics_are_asked_of_the_edge_while_workers_answer() -> None:
    edge = FakeEdge()
    edge.may_answer.set()

    def after_the_edge(_: str | None) -> tuple[int, str, bytes]:
        return 200, TEXT, METRICS if edge.asked.wait(20) else b""

    server = AdminServer("127.0.0.1:0", {"/metrics": after_the_edge})
    server.start()
    with gathered({"worker-0": server.port}, edge) as address:
        text = page(address, "/metrics")
    server.stop()

    assert 'did_router_worker_up{worker="worker-0"} 1.0' in text
    assert text.endswith("envoy_server_live 1\n")


def test_hung_edge_hides_no_worker_and_is_not_ready() -> None:
    edge = FakeEdge()
    with worker() as one, gathered({"worker-0": one}, edge) as address:
        text = page(address, "/metrics")
        with pytest.raises(urllib.error.HTTPError) as refused:
            page(address, "/readyz")
        with refused.value as answer:
            assert answer.read() == b"edge: Envoy does not answer within 1 s\n"
        assert not edge.may_answer.is_set(), "both pages came without it"
        edge.may_answer.set()

    assert 'did_router_worker_up{worker="worker-0"} 1.0' in text
