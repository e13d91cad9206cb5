"""The connection on which a near cache hears of changes is cut, at each moment of its life, while owners change."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.near_cache import cache
from router.stores.clients import Stores
from router.trust.trust import UNAVAILABLE
from tests.faults.ledger import Answer, Ledger
from tests.faults.load import answer_of
from tests.integration.conftest import Running, StartService
from tests.integration.real_stores import NUMBER, RealStores
from tests.redis_programs import on_each_redis
from tests.support.waiting import eventually

pytest_generate_tests = on_each_redis

MOMENTS = {
    "before it says who it is": 0,
    "before it hears who it is": 1,
    "before it asks to be told": 2,
    "before it hears that it will be": 3,
    "before it asks which server it is": 4,
    "before it subscribes": 6,
    "before it hears that it did": 7,
    "with the first change on its way": 8,
    "with a barrier on its way": 9,
    "later": 12,
}
"""Bytes of that connection, request and answer in turn; then what Redis sends by itself."""
FOR_LONG = 0.3
ASKERS = 2


class Cutter:
    """Passes on to Redis, and cuts the connection that listens when so many pieces have passed on it.

    Attributes:
        cuts: how often it did.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._moment: int | None = None
        self.port = int(self._listener.getsockname()[1])
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, moment: int) -> None:
        """Cut the next one that comes to listen, at this piece, which is lost."""
        self._moment = moment

    def close(self) -> None:
        """Take no more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._to))
                _Pair(self, client, server).start()

    def is_due(self, pieces: int) -> bool:
        """Return whether this piece is the one; only once."""
        if self._moment is None or pieces < self._moment:
            return False
        self._moment = None
        self.cuts += 1
        return True


class _Pair:
    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter = cutter
        self._ends = (client, server)
        self._listens = False
        self._pieces = 0

    def start(self) -> None:
        for source, sink in (self._ends, self._ends[::-1]):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._listens = self._listens or b"\r\nID\r\n" in data
                if self._listens and self._cutter.is_due(self._pieces):
                    break
                self._pieces += self._listens
                sink.sendall(data)
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cutter(stores: RealStores) -> Iterator[Cutter]:
    made = Cutter(int(urlsplit(stores.redis_url).port or 0))
    yield made
    made.close()


@pytest.fixture
def manager(stores: RealStores) -> Iterator[NumberManager]:
    settings = stores.settings(account_copies="none")
    made = NumberManager(settings, Stores(settings))
    yield made
    made.close()


@pytest.fixture
def running(
    stores: RealStores,
    cutter: Cutter,
    manager: NumberManager,
    start_service: StartService,
    monkeypatch: pytest.MonkeyPatch,
) -> Running:
    del manager  # made before, past the cutter
    monkeypatch.setattr(cache, "_POLL_INTERVAL", 0.02)
    stores.create("accounts", "port_requests", "system_config")
    stores.mark_reference_data_complete()
    stores.redis_url = f"redis://127.0.0.1:{cutter.port}/{urlsplit(stores.redis_url).path.strip('/') or 0}"
    return start_service()


def test_no_acknowledged_change_is_missed(
    stores: RealStores, running: Running, cutter: Cutter, manager: NumberManager
) -> None:
    ledger, answers = Ledger(), list[Answer]()
    accounts = iter(f"{index:032x}" for index in range(1, 10_000))
    over = threading.Event()

    def change() -> None:
        account = next(accounts)
        claim = ledger.claim(NUMBER, account)
        made = manager.carry_out([OperationRequest(Operation.MOVE, NUMBER, SYSTEM, assign_to=account)])[0]
        if made.error is None:
            ledger.acknowledge(claim, 10.0 if made.warnings else 0.0)

    def ask_on() -> None:
        while not over.is_set():
            began = time.monotonic()
            answers.append(answer_of(NUMBER, began, running.caller.ask(NUMBER)))

    ledger.acknowledge(ledger.claim(NUMBER, "f" * 32), 0.0)
    stores.number(account="f" * 32)
    askers = [threading.Thread(target=ask_on) for _ in range(ASKERS)]
    for each in askers:
        each.start()
    try:
        for at, moment in enumerate(MOMENTS.values()):
            eventually(lambda: running.service.trust.current.near is not UNAVAILABLE)
            cutter.arm(moment)
            _kill_listeners(stores.redis)
            end = time.monotonic() + FOR_LONG
            while time.monotonic() < end or cutter.cuts <= at:
                change()
                assert time.monotonic() < end + 10, f"never cut at {moment}"
    finally:
        over.set()
        for each in askers:
            each.join()
    wrong = [verdict.wrong for each in answers if (verdict := ledger.judge(each)).wrong]
    assert not wrong, wrong[:5]
    assert len(answers) > 100


def _kill_listeners(client: Any) -> None:
    for each in client.client_list():
        if "t" in each["flags"]:
            client.client_kill_filter(_id=each["id"])
