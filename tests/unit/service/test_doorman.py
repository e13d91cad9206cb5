"""Who sends much and asks for nothing is disconnected while others are hurt by it; nobody else is."""

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from router.service import doorman
from router.service.arrivals import Weighed, weighed
from router.service.doorman import Doorman, is_greedy
from tests.integration.waiting import eventually

MEGABYTE = 1 << 20


class Listening:
    """Takes connections, reads what they say, and answers some."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stack = ExitStack()
        self._services: dict[socket.socket, socket.socket] = {}

    def call(self, sent: int, answered: int) -> socket.socket:
        """A connection on which so many bytes were said, and answered."""
        caller = self._stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=9))
        service = self._stack.enter_context(self._listener.accept()[0])
        self._services[caller] = service
        self.go_on(caller, sent, answered)
        return caller

    def go_on(self, caller: socket.socket, sent: int, answered: int) -> None:
        """Say so much more on a connection, and have it answered, unless it was closed."""
        caller.setblocking(True)
        _carry(caller, self._services[caller], sent)
        _carry(self._services[caller], caller, answered)
        caller.setblocking(False)

    def close(self) -> None:
        """Hang up."""
        self._stack.close()
        self._listener.close()


def _carry(source: socket.socket, target: socket.socket, size: int) -> None:
    reading = threading.Thread(target=_read, args=(target, size))
    reading.start()
    with suppress(OSError):
        source.sendall(bytes(size))
    reading.join()


def _read(connection: socket.socket, size: int) -> None:
    with suppress(OSError):
        while size and (said := connection.recv(min(size, MEGABYTE))):
            size -= len(said)


def _is_closed(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.close()


def _look_after(listening: Listening) -> Doorman:
    return Doorman(listening.port, most=100, silence=60, greeting=0)


def test_the_kernel_tells_what_each_connection_carried(listening: Listening) -> None:
    listening.call(3000, 70)
    told = [(each.received, each.acknowledged) for each in weighed(listening.port)]
    assert [each for each in told if each[0] == 3000 and 70 <= each[1] <= 71]


def test_who_makes_memory_swell_is_disconnected(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorman, "_BUSY", 1000.0)
    memory = [100 * MEGABYTE]
    monkeypatch.setattr(doorman, "_resident", lambda: memory[0])
    greedy, modest, asker = listening.call(MEGABYTE, 10), listening.call(1000, 10), listening.call(MEGABYTE, MEGABYTE)
    watching = _look_after(listening)
    watching.start()
    try:
        assert not _is_closed(greedy)

        def swell() -> bool:
            memory[0] += 65 * MEGABYTE
            return _is_closed(greedy)

        eventually(swell)
        assert (_is_closed(modest), _is_closed(asker)) == (False, False)
    finally:
        watching.stop()


def test_who_only_answers_pings_has_to_leave_before_who_called(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorman, "_ROUND", 0.1)
    watching = Doorman(listening.port, most=2, silence=60, greeting=0)
    watching.start()
    try:
        quiet, caller = listening.call(100, 100), listening.call(100, 100)
        for _ in range(4):
            time.sleep(0.3)  # a look lies between
            listening.go_on(quiet, 17, 0)
        newest = listening.call(100, 100)
        eventually(lambda: _is_closed(quiet) or _is_closed(caller))
        assert (_is_closed(quiet), _is_closed(caller), _is_closed(newest)) == (True, False, False)
    finally:
        watching.stop()


@pytest.fixture
def watching(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doorman]:
    """Not begun yet; finds that there is much to do."""
    monkeypatch.setattr(doorman, "_BUSY", 0.0)
    made = Doorman(listening.port, most=100, silence=60, greeting=0)
    yield made
    made.stop()


def _goes_on_until_closed(listening: Listening, caller: socket.socket) -> int:
    rounds = 0

    def is_closed() -> bool:
        nonlocal rounds
        rounds += 1
        listening.go_on(caller, MEGABYTE, 10)
        return _is_closed(caller)

    eventually(is_closed)
    return rounds


def test_who_keeps_a_busy_worker_from_others_is_disconnected(listening: Listening, watching: Doorman) -> None:
    greedy, modest, asker = (listening.call(*each) for each in ((0, 0), (1000, 10), (MEGABYTE, MEGABYTE)))
    watching.start()
    _goes_on_until_closed(listening, greedy)
    assert (_is_closed(modest), _is_closed(asker)) == (False, False)


def test_who_sent_much_long_ago_may_stay(listening: Listening, watching: Doorman) -> None:
    earlier = listening.call(MEGABYTE, 10)
    watching._weighed = {each.inode: each for each in weighed(listening.port)}
    watching.start()
    _goes_on_until_closed(listening, listening.call(0, 0))
    assert not _is_closed(earlier)


def test_much_metadata_in_each_call_is_not_greedy(listening: Listening, watching: Doorman) -> None:
    lavish = listening.call(MEGABYTE, MEGABYTE // 10)
    watching.start()
    _goes_on_until_closed(listening, listening.call(0, 0))
    assert not _is_closed(lavish)


def test_earlier_answers_do_not_make_up_for_a_flood(listening: Listening, watching: Doorman) -> None:
    turned = listening.call(1000, 60 * MEGABYTE)
    watching.start()
    assert _goes_on_until_closed(listening, turned) < 400


def test_a_look_that_failed_is_not_the_last(
    listening: Listening, watching: Doorman, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = iter([True])

    def fail_first(port: int) -> Iterator[Weighed]:
        if next(failing, False):
            raise ValueError("what the kernel never said")
        return weighed(port)

    monkeypatch.setattr(doorman, "weighed", fail_first)
    watching.start()
    _goes_on_until_closed(listening, listening.call(0, 0))
    assert "looking after connections failed" in caplog.text


def test_much_is_not_greedy_while_it_is_answered() -> None:
    assert is_greedy(MEGABYTE, 0)
    assert not is_greedy(1000, 0)
    assert not is_greedy(MEGABYTE, MEGABYTE // 10)


def test_a_worker_may_open_as_many_files_as_its_hard_limit_allows() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 200));"
        "from router.service.doorman import allow_many_connections; allow_many_connections();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "(200, 200)"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 200
