"""The units of systemd, by systemd-analyze; and what `serve` and `follow` tell systemd."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.settings import Settings
from tests.cli.command import COMMAND, environment
from tests.deploy.tools import DEPLOY, find, run

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 30
"""Tenths: systemd calls 3.0 and less OK."""


def _seconds(unit: Path, key: str) -> int:
    (value,) = (line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{key}="))
    return int(value)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_verifies(unit: Path, tmp_path: Path) -> None:
    """The command of this checkout stands in for the one in /opt."""
    installed = Path(sys.executable).parent / "did-router"
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/did-router/bin/did-router", str(installed)))
    done = run(find("systemd-analyze"), "verify", copy)

    about_ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert about_ours == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_exposure_is_low(unit: Path) -> None:
    analyze = find("systemd-analyze")
    done = run(analyze, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", unit)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_unit_stop_timeout_exceeds_draining() -> None:
    server = Settings.load().server

    assert _seconds(DEPLOY / "systemd" / "did-router.service", "TimeoutStopSec") > (
        server.drain_delay + server.shutdown_grace_period + 5
    )


class Notified:
    """A process, and the datagrams that it sends to systemd's socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = folder / "notify"
        self._socket.bind(str(path))
        self._socket.settimeout(1)
        variables = environment(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="600000", PYTHONUNBUFFERED="1")
        self.popen = subprocess.Popen([COMMAND, *arguments], env=variables, stderr=subprocess.DEVNULL)

    def wait_for(self, beginning: str, seconds: float = 90) -> None:
        """Receive until a message begins so."""
        end = time.monotonic() + seconds
        while not any(each.startswith(beginning) for each in self.messages):
            assert time.monotonic() < end, (beginning, self.messages)
            self._receive()

    def _receive(self) -> None:
        with contextlib.suppress(TimeoutError):
            self.messages.append(self._socket.recv(4096).decode())

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self._socket.close()


@pytest.fixture
def unreachable_stores() -> list[str]:
    """Flags of stores that nobody serves: readiness for systemd does not depend on them."""
    return ["--couchdb-url", "http://127.0.0.1:1", "--redis-url", "redis://127.0.0.1:1"]


@pytest.fixture
def serving(tmp_path: Path, unreachable_stores: list[str]) -> Iterator[Notified]:
    own = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--http", "", "--workers", "1", "--transport", "grpcio"]
    process = Notified(tmp_path, "serve", *own, "--set", "drain_delay=0", *unreachable_stores)
    yield process
    process.close()


def test_serve_tells_systemd_its_states(serving: Notified) -> None:
    serving.wait_for("READY=1")
    serving.wait_for("STATUS=1 of 1 processes in service")
    serving.wait_for("WATCHDOG=1")
    children = Path(f"/proc/{serving.popen.pid}/task/{serving.popen.pid}/children").read_text().split()
    inheriting = [child for child in children if b"NOTIFY_SOCKET" in Path(f"/proc/{child}/environ").read_bytes()]
    serving.popen.send_signal(signal.SIGHUP)
    serving.wait_for("RELOADING=1")
    serving.messages.clear()
    serving.wait_for("READY=1")
    serving.popen.send_signal(signal.SIGTERM)
    serving.wait_for("STOPPING=1")

    assert serving.popen.wait(timeout=60) == 0
    assert children
    assert inheriting == []


@pytest.mark.parametrize("command", [["follow"], ["console", "--listen", "127.0.0.1:0"]], ids=["follow", "console"])
def test_command_tells_systemd_its_states(tmp_path: Path, unreachable_stores: list[str], command: list[str]) -> None:
    process = Notified(tmp_path, *command, *unreachable_stores)
    try:
        process.wait_for("READY=1")
        process.popen.send_signal(signal.SIGTERM)
        process.wait_for("STOPPING=1")
        assert process.popen.wait(timeout=60) == 0
    finally:
        process.close()


def test_units_run_as_the_user_that_sysusers_makes() -> None:
    made = (DEPLOY / "systemd" / "did-router.sysusers.conf").read_text().splitlines()
    users = {line.split()[1] for line in made if line.startswith("u ")}
    lines = [line for unit in UNITS for line in unit.read_text().splitlines()]

    assert {line.partition("=")[2] for line in lines if line.startswith("User=")} == users
