"""Runs commands in forks of one process that has imported all of them.

A command's imports take several times as long as its work. The fork server pays for them once per test worker; each
command still gets a process of its own, with its own arguments, environment, folder, pipes and exit code. The workers
of `serve` are started in the ordinary way, and so is the command of `test_installed_command_starts`.
"""

import contextlib
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

ROOT = Path(__file__).parents[2]
_REQUEST_BYTES = 1 << 18
"""Longer than any command line and environment here; a longer request is refused by the socket."""


class ForkServer:
    """The client's side: starts the server with the first command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def run(
        self, command: Sequence[str], stdin: bytes, environment: Mapping[str, str], seconds: float
    ) -> tuple[int, bytes, bytes]:
        """Run a command to its end and return its exit code, standard output and standard error.

        Args:
            command: the program's path, for `argv[0]`, and its arguments.
            stdin: what it reads.
            environment: its whole environment.
            seconds: that it may take.

        Raises:
            subprocess.TimeoutExpired: it took longer, and was killed.
        """
        pipes = [os.pipe() for _ in range(3)]
        (in_read, in_write), (out_read, out_write), (err_read, err_write) = pipes
        reply = self._request(command, environment, [in_read, out_write, err_write])
        with reply, ThreadPoolExecutor(3) as pool:
            pool.submit(_feed, os.fdopen(in_write, "wb"), stdin)
            out, err = (pool.submit(_drain, os.fdopen(end, "rb")) for end in (out_read, err_read))
            code = _exit_code(reply, seconds, command)
            return code, out.result(), err.result()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> "ForkedProcess":
        """Start a command that runs on; it reads nothing, and its standard output and error are one pipe."""
        out_read, out_write = os.pipe()
        reply = self._request(command, environment, [os.open(os.devnull, os.O_RDONLY), out_write, os.dup(out_write)])
        return ForkedProcess(reply, out_read, command)

    def _request(
        self, command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> socket.socket:
        """Have a command started with these descriptors as its standard ones, which are closed here."""
        reply, theirs = socket.socketpair()
        inherited = {"folder": str(Path.cwd()), "cores": list(os.sched_getaffinity(0))}
        request = json.dumps({"argv": list(command), "environment": dict(environment), **inherited})
        try:
            socket.send_fds(self._server(), [request.encode()], [theirs.fileno(), *descriptors])
        finally:
            theirs.close()
            for descriptor in descriptors:
                os.close(descriptor)
        return reply

    def _server(self) -> socket.socket:
        with self._lock:
            if self._control is None:
                self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                # Started with -c: a command must find no package in __main__, from which click would name it.
                script = f"from tests.cli.fork_server import serve; serve({theirs.fileno()})"
                with theirs:
                    subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, pass_fds=[theirs.fileno()])
            return self._control


class ForkedProcess:
    """A command that runs on, with the part of `subprocess.Popen` that tests need.

    Attributes:
        pid: its process id.
        stdout: its standard output and error, as text.
    """

    def __init__(self, reply: socket.socket, stdout: int, command: Sequence[str]) -> None:
        self._command = command
        self._reply = reply
        self._lines = reply.makefile("r")
        self.pid = int(self._lines.readline())
        self.stdout = os.fdopen(stdout, errors="replace")
        self._code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        with self._lock:
            if self._code is None:
                if not select.select([self._reply], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self._command, timeout or 0)
                self._code = int(self._lines.readline())
                self._reply.close()
            return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def _feed(pipe: BinaryIO, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(content)


def _drain(pipe: BinaryIO) -> bytes:
    with pipe:
        return pipe.read()


def _exit_code(reply: socket.socket, seconds: float, command: Sequence[str]) -> int:
    """Read the command's process id, then its exit code once it has ended."""
    lines = reply.makefile("r")
    process = int(lines.readline())
    reply.settimeout(seconds)
    try:
        return int(lines.readline())
    except TimeoutError:
        os.kill(process, signal.SIGKILL)
        raise subprocess.TimeoutExpired(command, seconds) from None


def serve(descriptor: int) -> None:
    """Fork for each request until the client is gone; in a fork, run the command.

    Args:
        descriptor: of the socket that requests come from.
    """
    _import_commands()
    control = socket.socket(fileno=descriptor)
    _Forks(control).next_request().become()
    from router.cli.main import main  # noqa: PLC0415 - as the installed script does

    sys.exit(main())


def _import_commands() -> None:
    from router.cli.main import COMMANDS, main  # noqa: PLC0415 - the client must not wait for it

    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                command.get_command(context, each)
    assert threading.active_count() == 1, "a fork would lose the other threads"
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class _Request:
    """A command to run, and the descriptors of its standard input, output and error."""

    argv: list[str]
    environment: dict[str, str]
    folder: str
    cores: list[int]
    standard: list[int]

    def become(self) -> None:
        """Make this process the command's."""
        for descriptor, number in zip(self.standard, (0, 1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(self.folder)
        os.sched_setaffinity(0, self.cores)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # as PYTHONUNBUFFERED would have it
        sys.argv = self.argv
        sys.path[0] = str(Path(self.argv[0]).parent)


class _Forks:
    """Commands that run, by the descriptor that becomes readable at their end."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[int, int]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def next_request(self) -> _Request:
        """Return once in every fork; the server itself ends here, when its client is gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._report_exit(key.fd)
                elif (request := self._accept()) is not None:
                    return request

    def _accept(self) -> _Request | None:
        message, descriptors, _, _ = socket.recv_fds(self._control, _REQUEST_BYTES, 4)
        if not message:
            sys.exit()
        reply, *standard = descriptors
        process = os.fork()
        if process == 0:
            self._close()
            os.close(reply)
            return _Request(**json.loads(message), standard=standard)
        for each in standard:
            os.close(each)
        os.write(reply, f"{process}\n".encode())
        handle = os.pidfd_open(process)
        self._running[handle] = process, reply
        self._selector.register(handle, selectors.EVENT_READ)
        return None

    def _report_exit(self, handle: int) -> None:
        process, reply = self._running.pop(handle)
        _, status = os.waitpid(process, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(reply, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        self._selector.unregister(handle)
        os.close(handle)
        os.close(reply)

    def _close(self) -> None:
        """Close in a fork what is the server's: another command's reply must end with that command."""
        self._selector.close()
        self._control.close()
        for handle, (_, reply) in self._running.items():
            os.close(handle)
            os.close(reply)
