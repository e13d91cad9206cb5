"""The documentation's dialplan and FastAGI server, with a real Asterisk where `make test-switches` brought one."""

from collections.abc import Callable, Iterator

import pytest

from tests.cli.command import Running, eventually
from tests.processes import freeze, thaw
from tests.switches.asterisk_root import Asterisk, FastAgi, asterisk_root
from tests.switches.sip import Caller

Freeze = Callable[[bool], None]
ABSENT = "no Asterisk here: make test-switches, as root, brings a newer Debian's into a folder"
pytestmark = pytest.mark.skipif(asterisk_root() is None, reason=ABSENT)


@pytest.fixture(scope="module")
def asterisk() -> Iterator[Asterisk]:
    """An Asterisk that answers SIP."""
    root = asterisk_root()
    assert root is not None
    switch = Asterisk(root)
    try:
        switch.log.wait_for("Asterisk Ready", 60)
        yield switch
    finally:
        switch.stop()


@pytest.fixture(scope="module")
def agi(asterisk: Asterisk, service: Running) -> Iterator[FastAgi]:
    """A FastAGI server whose first lookup has gone well."""
    server = FastAgi(service.target, deadline=0.8)  # less than the dialplan's second
    try:
        with Caller(asterisk.port) as caller:
            eventually(lambda: caller.ask("4158860000")[0].code == 404, 60)
        yield server
    finally:
        server.stop()


@pytest.fixture
def caller(asterisk: Asterisk) -> Iterator[Caller]:
    """A carrier."""
    with Caller(asterisk.port) as carrier:
        yield carrier


@pytest.mark.parametrize(
    ("dialled", "code"),
    [
        ("4158867900", 200),
        ("+14158860000", 404),
        ("+14158867906", 480),
        ("+442079460018", 480),  # owned, by an account without a context
        ("alice", 404),
    ],
)
def test_a_call(agi: FastAgi, caller: Caller, dialled: str, code: int) -> None:
    assert caller.ask(dialled)[0].code == code


def test_a_frozen_router(agi: FastAgi, caller: Caller, freeze: Freeze) -> None:
    freeze(True)
    response, took = caller.ask("4158867900")
    freeze(False)

    assert response.code == 503
    assert took < 5


def test_a_frozen_agi_server(agi: FastAgi, caller: Caller) -> None:
    freeze(agi.popen.pid)
    try:
        response, took = caller.ask("4158867900")
    finally:
        thaw(agi.popen.pid)

    assert response.code == 503
    assert 0.9 < took < 5


def test_no_agi_server(asterisk: Asterisk, caller: Caller, agi: FastAgi) -> None:
    agi.stop()

    assert caller.ask("4158867900")[0].code == 503
