"""The documentation's dialplans in a real Asterisk, where `make test-switches` brought one."""

import signal
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually
from tests.switches.asterisks import WAYS, Asterisk, why_not
from tests.switches.campaign import Behind
from tests.switches.places import newer_debian
from tests.switches.routers import Routers
from tests.switches.sip import Caller

OWNED, UNKNOWN = "4158867900", "+14158860000"


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def asterisk(request: pytest.FixtureRequest, routers: Routers, next_hop: int, behind: Behind) -> Iterator[Asterisk]:
    """An Asterisk that answers SIP."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    place = newer_debian()
    assert place is not None
    switch = Asterisk(request.param, place, routers, next_hop)
    try:
        switch.wait()
        yield switch
    finally:
        switch.stop()


@pytest.fixture
def caller(asterisk: Asterisk) -> Iterator[Caller]:
    """A carrier."""
    with Caller(asterisk.port) as carrier:
        eventually(lambda: carrier.ask(UNKNOWN)[0].code == 404, 60)
        yield carrier


@pytest.mark.parametrize(
    ("dialled", "code"),
    [
        (OWNED, 200),
        ("+14158867900", 200),
        (UNKNOWN, 404),
        ("+14158867905", 404),
        ("+14158867906", 480),
        ("+14158867901", 480),  # owned, by an account without a context
        ("alice", 404),
    ],
)
def test_call_gets_its_response(caller: Caller, dialled: str, code: int) -> None:
    assert caller.ask(dialled)[0].code == code


def test_frozen_routers_give_503(caller: Caller, routers: Routers) -> None:
    with routers.frozen():
        response, _ = caller.ask(OWNED)

    assert response.code == 503


def test_frozen_agi_server_gives_503(asterisk: Asterisk, caller: Caller) -> None:
    if asterisk.agi is None:
        pytest.skip("this way has no AGI server")
    asterisk.agi.popen.send_signal(signal.SIGSTOP)
    try:
        response, _ = caller.ask(OWNED)
    finally:
        asterisk.agi.popen.send_signal(signal.SIGCONT)

    assert response.code == 503


def test_no_agi_server_gives_503(asterisk: Asterisk, caller: Caller) -> None:
    if asterisk.agi is None:
        pytest.skip("this way has no AGI server")
    asterisk.agi.stop()

    assert caller.ask(OWNED)[0].code == 503
