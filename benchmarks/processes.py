"""Servers under measurement: start, wait, what they cost, stop."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class StartError(RuntimeError):
    """A server did not come up; the message carries the end of what it said."""


@dataclass(slots=True)
class Server:
    """A server in a session of its own, so that everything it starts is counted and stopped with it.

    Attributes:
        command: what to run; {port} was put in before.
        port: where it listens on 127.0.0.1; udp: whether it is asked over UDP.
    """

    command: Sequence[str]
    port: int
    udp: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _output: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def __enter__(self) -> Self:
        self._output = TemporaryFile()
        self._process = subprocess.Popen(
            list(self.command),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=os.environ | self.environment,
            start_new_session=True,
        )
        try:
            self._wait()
        except StartError:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Terminate it; kill what does not go."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"  {self.command[0]} does not stop when told to; killed")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tail(self, lines: int = 8) -> str:
        """The end of its output."""
        if self._output is None:
            return ""
        self._output.seek(0)
        return "\n".join(self._output.read().decode(errors="replace").splitlines()[-lines:])

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            if _listens(self.port, udp=self.udp):
                return
            time.sleep(0.02)
        raise StartError(f"{' '.join(self.command)[:120]} does not listen on {self.port}:\n{self.tail()}")


def free_port() -> int:
    """A port that nobody listens on, for TCP and UDP."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all its descendants, ended ones included."""
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / _TICKS
    return total


def resident_megabytes(pid: int) -> float:
    """Memory of a process and its descendants: proportional where the kernel tells, else resident."""
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            total += _memory(each)
    return total / 1e6


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for each in found:
        for thread in _children(each):
            with contextlib.suppress(OSError):
                found += map(int, thread.read_text().split())
    return found


def _children(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:
        return []


def _memory(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _listens(port: int, *, udp: bool) -> bool:
    if not udp:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False
    wanted = f"{port:04X}"
    with contextlib.suppress(OSError):
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(f":{wanted}") for row in rows)
    return False
