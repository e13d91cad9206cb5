"""SIP and ENUM over TCP: connections that send without end, do not read, or say nothing."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from router.embedded import EmbeddedCouchDB
from router.server.app import Service
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.test_enum import NAME
from tests.integration.test_sip import headers, request
from tests.support.waiting import eventually


def _framed(query: bytes) -> bytes:
    return len(query).to_bytes(2, "big") + query


QUERY = dns.message.make_query(NAME, "NAPTR").to_wire()
DATAGRAMS = {"sip": request("OPTIONS"), "enum": QUERY}
MESSAGES = {"sip": request(), "enum": _framed(QUERY)}
PROBES = 20


@pytest.fixture(scope="module")
def stores(redis_server: str) -> Iterator[RealStores]:
    with EmbeddedCouchDB() as couchdb:
        made = RealStores(couchdb, redis_server)
        made.number(NUMBER, ONE)
        yield made
        made.close()


@contextlib.contextmanager
def _running(stores: RealStores, **settings: object) -> Iterator[Service]:
    listen = {"sip_listen": "127.0.0.1:0", "enum_listen": "127.0.0.1:0", "sip_timeout": 2.0, "enum_timeout": 2.0}
    made = Service(stores.settings(**listen, **settings), with_follower=True)
    made.start()
    try:
        eventually(lambda: made.readiness.state.name == "ready")
        yield made
    finally:
        made.stop()


def _port(service: Service, protocol: str) -> int:
    return service.sip.port if protocol == "sip" else service.enum.port


@contextlib.contextmanager
def _flood(port: int, message: bytes) -> Iterator[None]:
    """Send without end, and read nothing."""
    over = threading.Event()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.2)

        def send() -> None:
            block = message * 1000
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.send(block)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield
        finally:
            over.set()
            sender.join()


@pytest.mark.parametrize("protocol", ["sip", "enum"])
def test_datagrams_are_answered_beside_a_connection_that_floods(stores: RealStores, protocol: str) -> None:
    with _running(stores, sip_max_request_rate=0, enum_max_request_rate=0) as service:
        port = _port(service, protocol)
        with _flood(port, MESSAGES[protocol]), socket.socket(type=socket.SOCK_DGRAM) as asker:
            asker.settimeout(2)
            asker.connect(("127.0.0.1", port))
            for _ in range(PROBES):
                asker.send(DATAGRAMS[protocol])
                assert asker.recv(65535)


def test_sip_beyond_its_rate_gets_503_over_tcp(stores: RealStores) -> None:
    """Nothing is sent again over TCP, so that silence would keep the call for 32 seconds."""
    with _running(stores, sip_max_request_rate=2) as service, _connection(service.sip.port) as connection:
        connection.sendall(request("ACK") * 5 + request("OPTIONS") * 4)
        heard = b""
        while heard.count(b"SIP/2.0 ") < 4:
            heard += connection.recv(65535)

    assert (heard.count(b"SIP/2.0 200 "), heard.count(b"SIP/2.0 503 ")) == (2, 2)
    assert headers(heard.decode(), "Retry-After") == ["1", "1"]


def test_enum_beyond_its_rate_is_refused_over_tcp(stores: RealStores) -> None:
    with _running(stores, enum_max_request_rate=2) as service, _connection(service.enum.port) as connection:
        connection.sendall(_framed(QUERY) * 4)
        rcodes = [dns.message.from_wire(_message(connection)).rcode() for _ in range(4)]

    assert sorted(rcodes) == [dns.rcode.NOERROR] * 2 + [dns.rcode.REFUSED] * 2


@pytest.mark.parametrize("protocol", ["sip", "enum"])
def test_silent_connections_of_an_address_leave_places_to_others(stores: RealStores, protocol: str) -> None:
    settings = {f"{protocol}_max_connections": 8, f"{protocol}_max_connections_per_address": 3}
    with _running(stores, **settings) as service, contextlib.ExitStack() as opened:
        port = _port(service, protocol)
        connections = [opened.enter_context(_connection(port)) for _ in range(4)]

        assert connections[-1].recv(1) == b""
        other = opened.enter_context(socket.socket())
        other.bind(("127.0.0.2", 0))
        other.settimeout(3)
        other.connect(("127.0.0.1", port))
        other.sendall(MESSAGES[protocol])
        assert other.recv(65535)


@pytest.mark.parametrize("protocol", ["sip", "enum"])
def test_idle_connection_is_closed(stores: RealStores, protocol: str) -> None:
    with (
        _running(stores, **{f"{protocol}_idle_timeout": 0.3}) as service,
        _connection(_port(service, protocol)) as silent,
    ):
        assert silent.recv(1) == b""


@pytest.mark.parametrize("protocol", ["sip", "enum"])
def test_half_closed_connection_gets_its_responses(stores: RealStores, protocol: str) -> None:
    with _running(stores) as service, _connection(_port(service, protocol)) as connection:
        connection.sendall(MESSAGES[protocol] * 3)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        while part := connection.recv(65535):
            heard += part

    assert heard.count(NUMBER.encode() + b"@") >= 3


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _message(connection: socket.socket) -> bytes:
    length = int.from_bytes(_exactly(connection, 2), "big")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    heard = b""
    while len(heard) < size:
        part = connection.recv(size - len(heard))
        assert part
        heard += part
    return heard
