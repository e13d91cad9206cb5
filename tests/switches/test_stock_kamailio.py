"""Kamailio without Python asks by SIP redirect and over HTTP: SIPp on both of its sides, two real did-routers."""

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import ACCOUNTS, SERVE, Running, Start, children_of, eventually, serving
from tests.processes import freeze, thaw
from tests.switches.conftest import StartSipp
from tests.switches.programs import free_port
from tests.switches.sip import Caller, Dialogue
from tests.switches.stock_kamailio import HTTP, REDIRECT, StockKamailio, why_not

OWNED, PORTING, UNKNOWN, AGING = "4158867900", "+14158867903", "+14158860000", "+14158867904"
SLOW = ("--set", "sip_timeout=5", "--set", "http_timeout=5")
"""For a loaded machine; Kamailio's own limits stay."""


class Routers:
    """Two did-routers that answer HTTP and SIP, each on ports of its own."""

    def __init__(self, start: Start, stores: tuple[str, ...]) -> None:
        self.sip = [_free_port() for _ in range(2)]
        self.http = [_free_port() for _ in range(2)]
        self.running: list[Running] = []
        for sip, http in zip(self.sip, self.http, strict=True):
            own = ("--set", f"sip_listen=127.0.0.1:{sip}", "--http", f"127.0.0.1:{http}")
            self.running.append(serving(start(*SERVE, *own, *SLOW, *stores)))

    def processes(self, index: int) -> list[int]:
        """Return the process ids of one of them."""
        pid = self.running[index].process.popen.pid
        return [pid, *children_of(pid)]

    def each(self, index: int, do: Callable[[int], object]) -> None:
        """Freeze, thaw or kill every process of one of them."""
        for pid in self.processes(index):
            do(pid)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def routers(start: Start, stores: tuple[str, ...]) -> Iterator[Routers]:
    made = Routers(start, stores)
    yield made
    for index in range(2):
        made.each(index, thaw)


@pytest.fixture(params=[REDIRECT, HTTP])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, routers: Routers, next_hop: int) -> Iterator[StockKamailio]:
    reason = why_not(request.param)
    if reason:
        pytest.skip(reason)
    if request.param == REDIRECT:
        made = _redirecting(tmp_path, routers, next_hop, deadline=1000)
    else:
        url = f"did=>http://127.0.0.1:{routers.http[0]}/v1/lookup"
        made = StockKamailio(HTTP, tmp_path, DID_ROUTER=url, NEXT_HOP=f"sip:127.0.0.1:{next_hop}")
    made.wait()
    yield made
    made.stop()


def _redirecting(folder: Path, routers: Routers, next_hop: int, deadline: int = 5000) -> StockKamailio:
    lines = [f"1 sip:127.0.0.1:{port} 0 {10 - index}" for index, port in enumerate(routers.sip)]
    listed = folder / "dispatcher.list"
    listed.write_text("\n".join(lines) + "\n")
    hop = f"sip:127.0.0.1:{next_hop}"
    return StockKamailio(REDIRECT, folder, DISPATCHER_LIST=str(listed), NEXT_HOP=hop, DEADLINE=str(deadline))


@pytest.mark.parametrize(
    ("dialled", "account", "pending"), [(OWNED, ACCOUNTS[0], []), (PORTING, ACCOUNTS[4], ["true"])]
)
def test_a_call_reaches_its_account(
    proxy: StockKamailio, start_sipp: StartSipp, next_hop: int, dialled: str, account: str, pending: list[str]
) -> None:
    callee = start_sipp("callee", "-p", str(next_hop))
    caller = start_sipp("caller", "-p", str(free_port()), "-s", dialled, f"127.0.0.1:{proxy.port}")
    caller.finish()
    callee.finish()

    (invite,) = callee.received("INVITE")
    assert invite.startswith(f"INVITE sip:+1{dialled[-10:]}@")
    assert _headers(invite, "X-Account-ID") == [account]
    assert _headers(invite, "X-Pending-Port") == pending


@pytest.mark.parametrize(("dialled", "code"), [(UNKNOWN, 404), (AGING, 480), ("alice", 404)])
def test_a_refusal_reaches_the_caller(proxy: StockKamailio, dialled: str, code: int) -> None:
    with Caller(proxy.port) as caller:
        response, _ = caller.ask(dialled)

    assert response.code == code
    assert response.values("Retry-After") == []
    assert response.values("Reason") == []


@pytest.mark.skipif(bool(why_not(REDIRECT)), reason=str(why_not(REDIRECT)))
@pytest.mark.parametrize("lose", [freeze, _kill])
def test_calls_go_to_the_other_router(
    tmp_path: Path, routers: Routers, start_sipp: StartSipp, next_hop: int, lose: Callable[[int], object]
) -> None:
    """The first router is frozen or killed: each call is routed by the second one, none wrongly."""
    made = _redirecting(tmp_path, routers, next_hop, deadline=1000)
    try:
        made.wait()
        callee = start_sipp("callee", "-p", str(next_hop), calls=10)
        routers.each(0, lose)
        caller = start_sipp(
            "caller", "-p", str(free_port()), "-s", OWNED, "-r", "5", f"127.0.0.1:{made.port}", calls=10
        )
        caller.finish()
        callee.finish()
        invites = callee.received("INVITE")
    finally:
        made.stop()

    assert len(invites) == 10
    assert {tuple(_headers(invite, "X-Account-ID")) for invite in invites} == {(ACCOUNTS[0],)}


@pytest.mark.skipif(bool(why_not(REDIRECT)), reason=str(why_not(REDIRECT)))
def test_without_any_router_a_call_gets_503(tmp_path: Path, routers: Routers, next_hop: int) -> None:
    made = _redirecting(tmp_path, routers, next_hop, deadline=1000)
    try:
        made.wait()
        for index in range(2):
            routers.each(index, freeze)
        with Caller(made.port) as caller:
            first, took = caller.ask(OWNED)
            eventually(lambda: caller.ask(OWNED)[1] < 0.1, seconds=30)
    finally:
        made.stop()

    assert first.code == 503
    assert took < 4


def test_a_frozen_router_costs_http_a_second(tmp_path: Path, routers: Routers, next_hop: int) -> None:
    if reason := why_not(HTTP):
        pytest.skip(reason)
    url = f"did=>http://127.0.0.1:{routers.http[0]}/v1/lookup"
    made = StockKamailio(HTTP, tmp_path, DID_ROUTER=url, NEXT_HOP=f"sip:127.0.0.1:{next_hop}")
    try:
        made.wait()
        routers.each(0, freeze)
        with Caller(made.port) as caller:
            response, took = caller.ask(OWNED)
    finally:
        made.stop()

    assert response.code == 503
    assert took < 3


def test_a_forged_account_is_removed(proxy: StockKamailio, start_sipp: StartSipp, next_hop: int) -> None:
    callee = start_sipp("cancelled_callee", "-p", str(next_hop))
    call = Dialogue(OWNED.encode())
    with Caller(proxy.port) as caller:
        forged = call.request("INVITE", caller.port).replace(b"\r\n\r\n", b"\r\nX-Account-ID: somebody-else\r\n\r\n", 1)
        caller.send(forged)
        eventually(lambda: callee.received("INVITE"))
        caller.send(call.request("CANCEL", caller.port))
        caller.acknowledge(call, caller.final(call))
    callee.finish()

    assert _headers(callee.received("INVITE")[0], "X-Account-ID") == [ACCOUNTS[0]]


def _headers(message: str, name: str) -> list[str]:
    return re.findall(rf"^{name}\s*:\s*(.*)$", message, re.MULTILINE | re.IGNORECASE)
