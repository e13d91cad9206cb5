"""Kamailio without Python, by each way that runs here: what becomes of one call."""

from collections.abc import Callable, Iterator

import pytest

from tests.cli.command import ACCOUNTS
from tests.support.waiting import eventually
from tests.switches.conftest import StartSipp
from tests.switches.places import HOST, Place, newer_debian
from tests.switches.ports import free_port
from tests.switches.routers import Routers
from tests.switches.sip import Caller, Dialogue, headers
from tests.switches.stock_kamailio import HTTP_ASYNC, REDIRECT, WAYS, StockKamailio, Way, why_not

OWNED, PORTING, UNKNOWN, AGING = "4158867900", "+14158867903", "+14158860000", "+14158867904"

Start = Callable[..., StockKamailio]
CASES = [(place, way) for place in (HOST, newer_debian()) if place for way in WAYS]
ids = [f"{place.name}, {way.name}" for place, way in CASES]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, routers: Routers, next_hop: int) -> Iterator[Start]:
    """Starts proxies, or skips."""
    started: list[StockKamailio] = []

    def begin(place: Place, way: Way, children: int = 4) -> StockKamailio:
        if reason := why_not(way, place):
            pytest.skip(reason)
        proxy = StockKamailio(way, place, tmp_path_factory.mktemp("kamailio"), routers, next_hop, children)
        started.append(proxy)
        proxy.wait()
        return proxy

    yield begin
    for proxy in started:
        proxy.stop()


@pytest.fixture(scope="module", params=CASES, ids=ids)
def proxy(request: pytest.FixtureRequest, start: Start) -> StockKamailio:
    """One of them."""
    return start(*request.param)


@pytest.fixture
def caller(proxy: StockKamailio) -> Iterator[Caller]:
    """A carrier."""
    with Caller(proxy.port) as carrier:
        yield carrier


@pytest.mark.parametrize(
    ("dialled", "account", "pending"), [(OWNED, ACCOUNTS[0], []), (PORTING, ACCOUNTS[4], ["true"])]
)
def test_call_reaches_its_account(
    proxy: StockKamailio, start_sipp: StartSipp, next_hop: int, dialled: str, account: str, pending: list[str]
) -> None:
    callee = start_sipp("callee", "-p", str(next_hop))
    caller = start_sipp("caller", "-p", str(free_port()), "-s", dialled, f"127.0.0.1:{proxy.port}")
    caller.finish()
    callee.finish()

    (invite,) = callee.received("INVITE")
    assert invite.startswith(f"INVITE sip:+1{dialled[-10:]}@127.0.0.1:{proxy.port} ")
    assert headers(invite, "X-Account-ID") == [account]
    assert headers(invite, "X-Pending-Port") == (pending if proxy.way.knows_pending_ports else [])
    assert headers(invite, "Route") == []
    assert headers(callee.received("BYE")[0], "X-Account-ID") == []


@pytest.mark.parametrize(("dialled", "code"), [(UNKNOWN, 404), (AGING, 480), ("alice", 404)])
def test_refusal_reaches_the_caller(caller: Caller, dialled: str, code: int) -> None:
    response, _ = caller.ask(dialled)

    assert response.code == code
    assert response.values("Retry-After") == []
    assert response.values("Reason") == []


def test_retransmission_gets_the_same_refusal(caller: Caller) -> None:
    call = Dialogue(UNKNOWN.encode())
    caller.send(call.request("INVITE", caller.port))
    first = caller.final(call)
    caller.send(call.request("INVITE", caller.port))
    again = caller.final(call)
    caller.acknowledge(call, again)

    assert first.code == 404
    assert again.values("To") == first.values("To")


def test_call_cancelled_during_its_lookup_rings_nowhere(
    proxy: StockKamailio, caller: Caller, routers: Routers, start_sipp: StartSipp, next_hop: int
) -> None:
    """Both routers are frozen: the CANCEL finds the call before any answer."""
    callee = start_sipp("callee", "-p", str(next_hop))
    call = Dialogue(OWNED.encode())
    with routers.frozen():
        caller.send(call.request("INVITE", caller.port))
        caller.wait_for_trying(call)
        caller.send(call.request("CANCEL", caller.port))
        refused = caller.final(call)
    caller.acknowledge(call, refused)
    eventually(lambda: caller.ask(UNKNOWN)[0].code == 404, 30)

    assert refused.code == 487
    assert callee.received("INVITE") == []


def test_without_any_router_a_call_gets_503(caller: Caller, routers: Routers) -> None:
    with routers.frozen():
        response, _ = caller.ask(OWNED)
    eventually(lambda: caller.ask(UNKNOWN)[0].code == 404, 30)

    assert response.code == 503


def test_forged_account_is_removed(proxy: StockKamailio, caller: Caller, start_sipp: StartSipp, next_hop: int) -> None:
    callee = start_sipp("cancelled_callee", "-p", str(next_hop))
    call = Dialogue(OWNED.encode())
    caller.send(call.request("INVITE", caller.port, "X-Account-ID: somebody-else", "x-account-id: and-another"))
    eventually(lambda: callee.received("INVITE"))
    caller.send(call.request("CANCEL", caller.port))
    caller.acknowledge(call, caller.final(call))
    callee.finish()

    assert headers(callee.received("INVITE")[0], "X-Account-ID") == [ACCOUNTS[0]]


@pytest.mark.parametrize("way", [REDIRECT, HTTP_ASYNC], ids=lambda way: way.name)
def test_frozen_router_blocks_no_worker(start: Start, routers: Routers, way: Way) -> None:
    """One worker answers an OPTIONS while a call of its waits for both routers."""
    place = newer_debian() or HOST
    proxy = start(place, way, children=1)
    call = Dialogue(OWNED.encode())
    with Caller(proxy.port) as caller:
        with routers.frozen():
            caller.send(call.request("INVITE", caller.port))
            caller.wait_for_trying(call)
            ping = Dialogue(b"ping")
            caller.send(ping.request("OPTIONS", caller.port))
            order = [caller.next_final() for _ in range(2)]
        caller.acknowledge(call, order[1])

    assert [(response.method, response.code) for response in order] == [("OPTIONS", 200), ("INVITE", 503)]
