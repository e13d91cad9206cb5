"""A did-router, the shipped Kamailio before it and SIPp behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.embedded import EmbeddedRedis
from tests import processes
from tests.cli.command import Running, children_of
from tests.cli.conftest import couchdb, service, start, stores
from tests.switches.campaign import Behind
from tests.switches.kamailio import Kamailio
from tests.switches.places import HOST
from tests.switches.ports import free_port
from tests.switches.programs import Sipp
from tests.switches.routers import Routers
from tests.switches.sip import Caller

__all__ = ["couchdb", "service", "start", "stores"]

StartProxy = Callable[..., Kamailio]
StartSipp = Callable[..., Sipp]


@pytest.fixture(scope="session")
def next_hop() -> int:
    """The port of the switch behind the proxies."""
    return free_port()


@pytest.fixture(scope="session")
def routers(couchdb: str) -> Iterator[Routers]:
    """Two did-routers with a Redis of their own; who kills one starts it again."""
    with EmbeddedRedis() as redis:
        stores = ("--couchdb-url", couchdb, "--redis-url", redis.url)
        with Routers("--with-follower", *stores) as pair:
            yield pair


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, next_hop: int) -> Iterator[Behind]:
    """The switch behind, which answers every call."""
    if not HOST.has("sipp"):
        pytest.skip("SIPp is not installed: make test-switches installs it on Debian")
    answering = Behind(tmp_path_factory.mktemp("behind"), next_hop)
    yield answering
    answering.stop()


@pytest.fixture(scope="session")
def start_proxy(tmp_path_factory: pytest.TempPathFactory, next_hop: int) -> Iterator[StartProxy]:
    """Starts proxies; at the end none of them may have logged an error."""
    started: list[Kamailio] = []

    def begin(target: str, deadline: float | None = None, children: int = 4, hop: str = "") -> Kamailio:
        folder = tmp_path_factory.mktemp("kamailio")
        hop = hop or f"sip:127.0.0.1:{next_hop}"
        proxy = Kamailio(folder, target, hop, deadline=deadline, children=children)
        started.append(proxy)
        proxy.wait()
        return proxy

    yield begin
    for proxy in started:
        proxy.stop()


@pytest.fixture(scope="session")
def session_proxy(start_proxy: StartProxy, service: Running) -> Kamailio:
    """A proxy that waits long for a lookup: a loaded machine must not look like a router that is away."""
    return start_proxy(service.target, deadline=5)


@pytest.fixture
def proxy(session_proxy: Kamailio) -> Iterator[Kamailio]:
    """A proxy that must not log an error during the test."""
    before = len(session_proxy.troubles())
    yield session_proxy
    assert session_proxy.troubles()[before:] == []


@pytest.fixture
def caller(proxy: Kamailio) -> Iterator[Caller]:
    """A carrier."""
    with Caller(proxy.port) as carrier:
        yield carrier


@pytest.fixture
def start_sipp(tmp_path: Path) -> Iterator[StartSipp]:
    """Starts SIPp's callers and callees."""
    started: list[Sipp] = []

    def begin(scenario: str, *arguments: str, calls: int = 1) -> Sipp:
        sipp = Sipp(scenario, tmp_path, *arguments, calls=calls)
        started.append(sipp)
        if "callee" in scenario:
            sipp.wait_until_bound(int(arguments[arguments.index("-p") + 1]))
        return sipp

    yield begin
    for sipp in started:
        sipp.stop()


@pytest.fixture
def freeze(service: Running) -> Iterator[Callable[[bool], None]]:
    """Stops every process of the router, or lets them go on."""
    every = [service.process.popen.pid, *children_of(service.process.popen.pid)]

    def switch(frozen: bool) -> None:
        stop_or_go = processes.freeze if frozen else processes.thaw
        for process in every:
            stop_or_go(process)

    yield switch
    switch(False)
