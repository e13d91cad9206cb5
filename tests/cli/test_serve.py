"""did-router serve: draining, and stores that are away."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from router.runtime.cpu_affinity import pinned_to
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import ACCOUNTS, SERVE, Running, Start, children_of, run, serving
from tests.processes import freeze, thaw
from tests.support.waiting import eventually


class Wire:
    """Stands between the service and CouchDB; can be slow, or cut."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.cut = False
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while not self.cut and (data := source.recv(65536)):
                time.sleep(self.delay)
                if not self.cut:
                    target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()


@pytest.fixture
def wire(couchdb: str) -> Iterator[Wire]:
    made = Wire(urlsplit(couchdb).port or 0)
    yield made
    made.close()


@pytest.fixture
def behind(request: pytest.FixtureRequest, wire: Wire, couchdb: str, redis_url: str, start: Start) -> Running:
    """A service that reaches CouchDB over the wire; its parameter is the transport."""
    url = couchdb.replace(str(urlsplit(couchdb).port), str(wire.port))
    more = ("--set", "couchdb_read_timeout=3", "--transport", getattr(request, "param", "auto"))
    running = serving(start(*SERVE, "--couchdb-url", url, "--redis-url", redis_url, *more))
    running.process.wait_for("readiness: warming:.*no follower has filled the cache yet")
    return running


@pytest.mark.parametrize("behind", ["native", "grpcio"], indirect=True)
def test_serve_sigterm_lets_running_calls_finish(behind: Running, wire: Wire) -> None:
    with grpc.insecure_channel(behind.target) as channel, ThreadPoolExecutor(1) as pool:
        stub = InboundRouterStub(channel)
        stub.Lookup(pb.LookupRequest(number="4158867900"), timeout=5)
        wire.delay = 0.4
        request = pb.LookupRequest(number="4158867900", consistency=pb.AUTHORITATIVE)
        answer = pool.submit(stub.Lookup, request, timeout=8)
        time.sleep(0.2)
        behind.process.send(signal.SIGTERM)
        behind.process.wait_for("draining: running calls finish")
        assert answer.result(8).account_id == ACCOUNTS[0]

    assert behind.process.popen.wait(10) == 0
    assert run("lookup", "--target", behind.target, "4158867900").code == 3


def test_serve_without_a_database_starts_and_reports_it(behind: Running, wire: Wire) -> None:
    """Away is not "refused": who asks can tell a number that is unknown from one that can't be known."""
    wire.cut = True
    result = run("lookup", "--target", behind.target, "--json", "+14158860000", "911")

    assert result.code == 3
    assert [each["reason"] for each in result.json] == ["NUMBER_DATABASE_UNAVAILABLE", "NOT_RECONCILABLE"]
    assert result.json[0]["status"] == "UNAVAILABLE"
    assert behind.page("/healthz") == "alive\n"
    assert "did_router_lookups_total" in behind.page("/metrics")


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_serve_open_stream_delays_shutdown_by_the_grace_period(
    transport: str, start: Start, stores: tuple[str, ...]
) -> None:
    """A worker that takes longer than its limit and some is killed, and with it whatever it answers then."""
    running = serving(start(*SERVE, "--transport", transport, *stores, "--set", "shutdown_grace_period=6"))
    with grpc.insecure_channel(running.target) as channel:
        health: Any = HealthStub(channel)
        watching = health.Watch(HealthCheckRequest(), timeout=60)
        next(iter(watching))
        assert running.process.end(signal.SIGTERM, 40) == 0
    assert not [line for line in running.process.lines if "killed" in line]


def test_serve_port_in_use_is_one_line(service: Running, stores: tuple[str, ...]) -> None:
    port = run("serve", "--listen", service.target, "--admin", "127.0.0.1:0", "--http", "", *stores)
    admin = run("serve", "--listen", "127.0.0.1:0", "--admin", service.admin, "--http", "", *stores)

    assert (port.code, admin.code) == (3, 3)
    assert f"can't listen on {service.target}: is another did-router running there?" in port.complaint
    assert f"can't listen on {service.admin} for admin" in admin.complaint


def test_serve_hung_worker_shows_in_metrics(start: Start, stores: tuple[str, ...]) -> None:
    running = serving(start(*SERVE, *stores, "--workers", "2"))
    workers = _workers(running)
    freeze(workers[0])
    try:
        scrapes = [_timed(lambda: running.page("/metrics").splitlines()) for _ in range(3)]
    finally:
        thaw(workers[0])

    # The workers' own deadline is two seconds; a busy machine delays some pages, and hardly every one.
    assert min(took for took, _ in scrapes) < 3
    lines = scrapes[-1][1]
    up = sorted(line.rpartition(" ")[2] for line in lines if line.startswith("did_router_worker_up{"))
    assert up == ["0.0", "1.0"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_serve_workers_0_starts_one_per_allowed_cpu(start: Start, stores: tuple[str, ...]) -> None:
    with pinned_to(min(os.sched_getaffinity(0))):
        process = start(*SERVE, "--workers", "0", *stores)
    assert serving(process).page("/metrics").count("did_router_worker_up{") == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_serve_two_services_use_different_cores(start: Start, stores: tuple[str, ...]) -> None:
    services = [serving(start(*SERVE, *stores, "--transport", "native")) for _ in range(2)]
    first, second = (set().union(*map(_kept_cores, _workers(each))) for each in services)

    assert first & second == set()


def _timed(read: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Seconds that it took, and what was read."""
    began = time.monotonic()
    found = read()
    return time.monotonic() - began, found


def _workers(running: Running) -> list[int]:
    """The worker processes: those of the children that have many threads."""
    return [each for each in children_of(running.process.popen.pid) if len(os.listdir(f"/proc/{each}/task")) > 3]


def _kept_cores(process: int) -> set[int]:
    """The cores to which threads of a process are bound."""
    bound = (os.sched_getaffinity(int(thread)) for thread in os.listdir(f"/proc/{process}/task"))
    anywhere = os.sched_getaffinity(0)
    return set().union(*(cores for cores in bound if cores != anywhere))


_AT_A_TIME = 8
_RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
_RETRYING = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": _RETRIES}]})),
]
"""As docs/edge.md advises where there is no edge."""


class Callers:
    """Clients, each with a connection of its own and several calls at a time; they keep what went wrong."""

    def __init__(self, target: str, count: int) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self._target = target
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._connect) for _ in range(count)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _connect(self) -> None:
        with grpc.insecure_channel(self._target, options=_RETRYING) as channel:
            stub = InboundRouterStub(channel)
            waiting = [self._ask(stub) for _ in range(_AT_A_TIME)]
            while not self._stop.is_set():
                self._take(waiting.pop(0))
                waiting.append(self._ask(stub))
            for each in waiting:
                self._take(each)

    def _ask(self, stub: InboundRouterStub) -> Any:
        return stub.Lookup.future(pb.LookupRequest(number="4158867900"), timeout=5)

    def _take(self, answer: Any) -> None:
        try:
            answer.result()
            self.answered += 1
        except grpc.RpcError as problem:
            error: Any = problem
            self.lost.append(f"{error.code()}: {error.details()}")


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_serve_sighup_replaces_workers_without_losing_calls(
    transport: str, couchdb: str, redis_url: str, start: Start
) -> None:
    """Behind the edge they need not retry: see tests/edge. grpcio drops connections that it has not accepted yet."""
    stores = ("--couchdb-url", couchdb, "--redis-url", redis_url)
    running = serving(start(*SERVE, *stores, "--workers", "2", "--transport", transport))
    old = set(children_of(running.process.popen.pid))
    with Callers(running.target, 4) as callers:
        eventually(lambda: callers.answered > 200)
        running.process.send(signal.SIGHUP)
        running.process.wait_for("all children are replaced", 60)
        seen = callers.answered
        eventually(lambda: callers.answered > seen + 200)

    assert callers.lost == [] or (transport == "grpcio" and len(callers.lost) < callers.answered / 10)
    # One of the children only sees to it that nothing shared is left behind.
    assert len(old.intersection(children_of(running.process.popen.pid))) <= 1
