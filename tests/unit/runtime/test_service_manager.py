"""Messages to systemd, with a socket in systemd's place."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.runtime.service_manager import ServiceManager

Receive = Callable[[], list[str]]


@pytest.fixture(params=["file", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Receive]]:
    """An address as systemd names it, and what arrived there."""
    path = str(tmp_path / "notify")
    address = path if request.param == "file" else f"@did-router-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path if request.param == "file" else "\0" + address[1:])
        systemd.setblocking(False)

        def receive() -> list[str]:
            arrived: list[str] = []
            try:
                while True:
                    arrived.append(systemd.recv(4096).decode())
            except BlockingIOError:
                return arrived

        yield address, receive


def test_states_arrive_in_order(listening: tuple[str, Receive]) -> None:
    address, receive = listening
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.ready()
    manager.reloading()
    manager.ready()
    manager.stopping()

    first, reloading, *rest = receive()
    assert (first, rest) == ("READY=1", ["READY=1", "STOPPING=1"])
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_status_of_the_same_text_is_sent_once(listening: tuple[str, Receive]) -> None:
    address, receive = listening
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    for text in ("one", "one", "two"):
        manager.status(text)

    assert receive() == ["STATUS=one", "STATUS=two"]


def test_watchdog_is_reset_no_oftener_than_needed(listening: tuple[str, Receive]) -> None:
    address, receive = listening
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(3600 * 1_000_000)})
    for _ in range(5):
        manager.keep_alive()

    assert receive() == ["WATCHDOG=1"]
    assert manager.watchdog_interval == 1200


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}])
def test_watchdog_of_another_process_is_left_alone(listening: tuple[str, Receive], more: dict[str, str]) -> None:
    address, receive = listening
    manager = ServiceManager({"NOTIFY_SOCKET": address, **more})
    manager.keep_alive()

    assert receive() == []
    assert manager.watchdog_interval == 0


def test_children_do_not_inherit_the_variables(listening: tuple[str, Receive]) -> None:
    environment = {"NOTIFY_SOCKET": listening[0], "WATCHDOG_USEC": "1", "PATH": "/bin"}
    ServiceManager(environment)

    assert environment == {"PATH": "/bin"}


def test_absent_systemd_costs_nothing(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    ServiceManager({}).ready()
    assert caplog.records == []
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()
    assert "systemd was not notified" in caplog.text
