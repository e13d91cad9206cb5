"""A child process of the supervisor: its pipe, its state, its restarts."""

import contextlib
import logging
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from router.runtime.backoff import RECONNECT
from router.server.calls.http import http_socket
from router.settings import Settings

log = logging.getLogger(__name__)

_STABLE_AFTER = 10.0
"""Seconds of running after which a child's next exit counts as its first."""

_spawn = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class ChildProcess:
    """A process, and the pipe whose end tells it to stop.

    Attributes:
        target: runs in the process with its settings, its log level and its end of the pipe.
        ready: the process is in service.
        admin_port: port of its admin pages; 0 while it is not in service.
        socket: the Unix socket that it listens on behind the edge; None without the edge.
        exits: exits after which it was started again.
        restarts: consecutive exits, each shortly after its start.
        restart_at: monotonic time before which it is not started again.
    """

    name: str
    target: Callable[..., None]
    process: Any = None
    pipe: Connection | None = None
    ready: bool = False
    admin_port: int = 0
    socket: Path | None = None
    started_at: float = 0.0
    exits: int = 0
    restarts: int = 0
    restart_at: float = field(default=0.0)

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs, or before its start."""
        return None if self.process is None else self.process.exitcode

    def start(self, settings: Settings) -> None:
        """Start the process."""
        ours, theirs = _spawn.Pipe()
        arguments = (settings, logging.getLogger().level, theirs)
        self.process = _spawn.Process(target=self.target, args=arguments, name=self.name, daemon=True)
        self.process.start()
        theirs.close()
        self.pipe, self.ready, self.admin_port = ours, False, 0
        self.started_at = time.monotonic()

    def send(self, message: str) -> None:
        """Send a message; a process that has ended receives none."""
        if self.pipe is not None:
            with contextlib.suppress(OSError):
                self.pipe.send(message)

    def receive_ready(self, wait: float = 0.0) -> bool:
        """Wait up to `wait` seconds for the report that the process is in service; return whether it arrived."""
        if self.ready or self.pipe is None or not self.pipe.poll(wait):
            return False
        # A closed pipe carries no report; the next poll reaps the process.
        with contextlib.suppress(EOFError, OSError):
            self.admin_port, self.ready = self.pipe.recv(), True
        return True

    def schedule_restart(self) -> None:
        """Release a process that exited, and set when to start the next one."""
        stable = time.monotonic() - self.started_at > _STABLE_AFTER
        self.exits += 1
        self.restarts = 1 if stable else self.restarts + 1
        backoff = 0.0 if stable else RECONNECT.delay(self.restarts)
        log.error("process ended: process=%s exit_code=%s again_in=%.1f", self.name, self.exit_code, backoff)
        self.release()
        self.restart_at = time.monotonic() + backoff

    def release(self) -> None:
        """Forget a process that exited, and remove its socket."""
        if self.pipe is not None:
            self.pipe.close()
        if self.socket is not None:
            self.socket.unlink(missing_ok=True)
            http_socket(self.socket).unlink(missing_ok=True)
        self.process = self.pipe = self.socket = None
        self.ready, self.admin_port = False, 0


def wait_exited(
    children: list[ChildProcess],
    timeout: float,
    *,
    interval: float,
    poll: Callable[[], None],
    interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Wait until all processes have exited, and kill those that have not after `timeout` seconds in all.

    Args:
        interval: seconds between two calls of `poll`.
        poll: runs while waiting.
        interrupted: returns whether to leave without killing a process.
    """
    end = time.monotonic() + timeout
    for child in children:
        if child.process is None:
            continue
        while child.exit_code is None and time.monotonic() < end:
            if interrupted():
                return
            child.process.join(timeout=interval)
            poll()
        if child.exit_code is None:
            log.error("process killed, it did not end: process=%s", child.name)
            child.process.kill()
