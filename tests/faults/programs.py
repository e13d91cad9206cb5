"""Servers as processes of their own, which may be killed, frozen and started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from router.embedded.redis import find_server
from tests.cli.command import COMMAND, children_of, environment
from tests.processes import freeze, thaw

_WITHIN = 60.0


class Program:
    """One process; what it says goes into a file.

    Args:
        command: how it is started, each time.
        log: where it writes.
        port: what it listens on once it is up; None for nothing.
        more: environment.
    """

    def __init__(
        self, command: Sequence[str], log: Path, port: int | None = None, more: Mapping[str, str] | None = None
    ) -> None:
        self.command = list(command)
        self._environment = environment(PYTHONUNBUFFERED="1", **(more or {}))
        self.log = log
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    def wait_listening(self) -> None:
        """Wait until its port answers."""
        end = time.monotonic() + _WITHIN
        while not self._answers():
            assert time.monotonic() < end, f"{self.command[:3]} never listened:\n{self.log.read_text()}"
            assert self._process is None or self._process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        freeze(self.pid)

    def thaw(self) -> None:
        """SIGCONT."""
        thaw(self.pid)

    def workers(self) -> list[int]:
        """The processes that it started to answer calls."""
        return [child for child in children_of(self.pid) if b"spawn_main" in _command_line(child)]

    def end(self) -> None:
        """Kill it, and what it started."""
        if self._process is None:
            return
        doomed = [] if self._process.poll() is not None else children_of(self.pid)
        self.kill()
        for child in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port or 0), timeout=1):
            return True
        return False


def redis(folder: Path, port: int, *, keeps: bool) -> Program:
    """A Redis that is empty after a restart, or keeps all but what it did not sync yet."""
    data = folder / "redis"
    data.mkdir()
    message = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", ""]
    message += ["--appendonly", "yes" if keeps else "no"]
    return Program([find_server(), *message], folder / "redis.log", port)


def couchdb(folder: Path, port: int) -> Program:
    """An embedded database that keeps its data over restarts."""
    message = ["-m", "router.embedded.couchdb", "--port", str(port), "--data", str(folder / "couchdb")]
    return Program([sys.executable, *message], folder / "couchdb.log", port)


def did_router(
    folder: Path, name: str, *message: str, port: int | None = None, more: Mapping[str, str] | None = None
) -> Program:
    """The installed command."""
    return Program([COMMAND, *message], folder / f"{name}.log", port, more)


def _command_line(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
