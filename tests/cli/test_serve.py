"""did-router serve: draining, and stores that are away."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import grpc
import pytest

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import ACCOUNTS, SERVE, Running, Start, run, serving


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
    more = ("--set", "database_time_limit=3", "--transport", getattr(request, "param", "auto"))
    running = serving(start(*SERVE, "--couchdb-url", url, "--redis-url", redis_url, *more))
    running.process.wait_for("readiness: warming:.*no follower has filled the cache yet")
    return running


@pytest.mark.parametrize("behind", ["native", "grpcio"], indirect=True)
def test_sigterm_lets_running_calls_finish(behind: Running, wire: Wire) -> None:
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


def test_a_database_that_is_away(behind: Running, wire: Wire) -> None:
    """Away is not "refused": who asks can tell a number that is unknown from one that can't be known."""
    wire.cut = True
    said = run("lookup", "--target", behind.target, "--json", "+14158860000", "911")

    assert said.code == 3
    assert [each["reason"] for each in said.json] == ["NUMBER_DATABASE_UNAVAILABLE", "NOT_RECONCILABLE"]
    assert said.json[0]["status"] == "UNAVAILABLE"
    assert behind.page("/healthz") == "alive\n"
    assert "did_router_lookups_total" in behind.page("/metrics")


def test_a_taken_port_is_said_in_one_line(service: Running, stores: tuple[str, ...]) -> None:
    port = run("serve", "--listen", service.target, "--admin", "127.0.0.1:0", *stores)
    admin = run("serve", "--listen", "127.0.0.1:0", "--admin", service.admin, *stores)

    assert (port.code, admin.code) == (3, 3)
    assert f"can't listen on {service.target}: is another did-router running there?" in port.complaint
    assert f"can't listen on {service.admin} for admin" in admin.complaint
