"""New connections of some origins are kept out by the kernel; all others get in, and those that stand go on."""

import errno
import ipaddress
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from router.service import floods
from router.service.arrivals import Arrivals, Network, Seen, origin
from router.service.floods import FloodWatch
from router.service.turnstile import Turnstile
from tests.integration.waiting import eventually

ONE, OTHER = "127.0.0.1", "127.0.0.2"
TIMES = 12


class Listening:
    """Sockets that share a port, as the workers' do."""

    def __init__(self, host: str, count: int) -> None:
        self.host, self.port = host, 0
        self.sockets: list[socket.socket] = []
        for _ in range(count):
            self.add()

    def add(self) -> None:
        """One more worker."""
        fresh = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        fresh.bind((self.host, self.port))
        fresh.listen(1000)
        self.port = fresh.getsockname()[1]
        self.sockets.append(fresh)

    def admitted(self, source: str) -> int:
        """How many of some new connections get in."""
        with ExitStack() as stack:
            callers = [stack.enter_context(self.call(source)) for _ in range(TIMES)]
            time.sleep(0.05)
            return sum(map(_is_connected, callers))

    def call(self, source: str) -> socket.socket:
        """Begin a connection."""
        caller = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        caller.bind((source, 0))
        caller.setblocking(False)
        caller.connect_ex((source if ":" in source else ONE, self.port))
        return caller


def _is_connected(caller: socket.socket) -> bool:
    try:
        return bool(caller.getpeername())
    except OSError:
        return False


@pytest.fixture(params=["127.0.0.1", "::"])
def listening(request: pytest.FixtureRequest) -> Iterator[Listening]:
    made = Listening(request.param, 3)
    yield made
    for each in made.sockets:
        each.close()


@pytest.fixture
def turnstile(listening: Listening) -> Iterator[Turnstile]:
    made = Turnstile(listening.port)
    yield made
    made.open()


def _networks(*addresses: str) -> list[Network]:
    return [ipaddress.ip_network(each) for each in addresses]


def test_who_is_kept_out_waits_and_all_others_get_in(listening: Listening, turnstile: Turnstile) -> None:
    with listening.call(OTHER) as standing:
        turnstile.keep_out(_networks("192.0.2.7", OTHER, "2001:db8::/64"))
        assert listening.admitted(ONE) == TIMES
        assert listening.admitted(OTHER) == 0
        assert standing.send(b"goes on") == 7
    turnstile.open()
    assert listening.admitted(OTHER) == TIMES


def test_origins_of_ipv6_are_kept_out_by_their_first_half() -> None:
    listening = Listening("::1", 2)
    turnstile = Turnstile(listening.port)
    try:
        turnstile.keep_out(_networks("2001:db8::/64", "::/64"))
        assert listening.admitted("::1") == 0
        turnstile.keep_out(_networks("2001:db8::/64", "0:0:0:1::/64"))
        assert listening.admitted("::1") == TIMES
    finally:
        turnstile.open()


def test_workers_may_come_and_go_meanwhile(listening: Listening, turnstile: Turnstile) -> None:
    turnstile.keep_out(_networks(OTHER))
    listening.sockets.pop(0).close()
    listening.add()
    listening.add()
    turnstile.keep_out(_networks(OTHER))
    assert (listening.admitted(ONE), listening.admitted(OTHER)) == (TIMES, 0)


def test_as_many_workers_as_before_may_be_others(listening: Listening, turnstile: Turnstile) -> None:
    turnstile.keep_out(_networks(OTHER))
    listening.sockets.pop().close()
    listening.add()
    turnstile.keep_out(_networks(OTHER))
    assert (listening.admitted(ONE), listening.admitted(OTHER)) == (TIMES, 0)


def test_all_workers_may_be_gone_for_a_while(listening: Listening, turnstile: Turnstile) -> None:
    turnstile.keep_out(_networks(OTHER))
    while listening.sockets:
        listening.sockets.pop().close()
    turnstile.keep_out(_networks(OTHER))
    listening.add()
    turnstile.keep_out(_networks(OTHER))
    assert (listening.admitted(ONE), listening.admitted(OTHER)) == (TIMES, 0)


def test_who_forgot_to_open_is_forgotten_with_his_process(listening: Listening) -> None:
    turnstile = Turnstile(listening.port)
    turnstile.keep_out(_networks(OTHER))
    for each in turnstile._shut.values():
        each.held.close()
    assert listening.admitted(OTHER) == TIMES


def test_of_all_others_a_share_gets_in(listening: Listening, turnstile: Turnstile) -> None:
    turnstile.keep_out([], 0.0)
    assert listening.admitted(ONE) == 0
    turnstile.keep_out([], 0.5)
    assert 0 < sum(listening.admitted(ONE) for _ in range(5)) < 5 * TIMES


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_an_origin_is_an_address_or_the_network_of_a_host(address: str, network: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    peer = socket.inet_pton(family, address).ljust(16, b"\0")
    seen = Seen(family, listens=False, port=b"\0\1", own=bytes(16), peer_port=b"\0\2", peer=peer)
    assert origin(seen) == ipaddress.ip_network(network)


def test_connections_are_counted_by_origin_once_there_are_many(listening: Listening) -> None:
    arrivals = Arrivals(listening.port, 0)
    with ExitStack() as stack:
        stack.enter_context(listening.call(ONE))
        arrivals.look()
        for source, count in ((ONE, 10), (OTHER, 30)):
            for _ in range(count):
                stack.enter_context(listening.call(source))
        counted = arrivals.look()
        one, other = (counted.get(ipaddress.ip_network(each), 0) for each in (ONE, OTHER))
        assert 2 < one < other


def test_who_opens_a_few_is_not_charged_what_went_elsewhere(listening: Listening) -> None:
    arrivals = Arrivals(listening.port, 0)
    with ExitStack() as stack, socket.create_server((ONE, 0)) as elsewhere:
        stack.enter_context(listening.call(ONE))
        arrivals.look()
        for _ in range(300):
            socket.create_connection(elsewhere.getsockname()).close()
            elsewhere.accept()[0].close()
        for _ in range(8):
            stack.enter_context(listening.call(OTHER))
        assert 8 < arrivals.look()[ipaddress.ip_network(OTHER)] <= 8 * 5


def test_a_watch_that_failed_looks_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    failing = iter([True, True])

    def fail_first(port: int, enough: int) -> Arrivals:
        if next(failing, False):
            raise OSError(errno.EMFILE, "Too many open files")
        return Arrivals(port, enough)

    monkeypatch.setattr(floods, "Arrivals", fail_first)
    monkeypatch.setattr(floods, "_AGAIN", 0.01)
    monkeypatch.setattr(floods, "log", logging.getLogger("tells all"))
    listening = Listening(ONE, 2)
    watch = FloodWatch(listening.port, 1)
    watch.start()
    try:
        with ExitStack() as stack:

            def is_noticed() -> bool:
                stack.enter_context(listening.call(OTHER))
                return len(caplog.records) > 1

            eventually(is_noticed)
        assert ["many open files" in record.getMessage() for record in caplog.records[:2]] == [True, False]
    finally:
        watch.stop()


def test_a_flood_is_kept_out_for_a_while_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    listening = Listening(ONE, 2)
    watch = FloodWatch(listening.port, 1)
    watch.start()
    end = time.monotonic() + 20
    try:
        with ExitStack() as stack:
            while not caplog.records and time.monotonic() < end:
                stack.enter_context(listening.call(OTHER))
                time.sleep(0.005)
        assert [OTHER in record.getMessage() for record in caplog.records] == [True]
        assert listening.admitted(ONE) == TIMES
        while not listening.admitted(OTHER):
            assert time.monotonic() < end
            time.sleep(1.2)
    finally:
        watch.stop()
