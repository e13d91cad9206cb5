"""The edge as a whole: Envoy before the workers of `serve`, started, looked after and ended with them."""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from router.runtime.backoff import RECONNECT
from router.runtime.log_rate_limit import RateLimitFilter
from router.server.auth.tls_files import Certificates, PemBundle
from router.server.edge.admin import EnvoyAdmin
from router.server.edge.configuration import bootstrap
from router.server.edge.listener import DRAIN_TIMEOUT, HTTP_PREFIX
from router.server.edge.plan import EdgePlan
from router.server.edge.process import EnvoyProcess
from router.server.edge.resources import write_certificate, write_draining, write_endpoints
from router.settings import Settings, SettingsError

log = logging.getLogger(__name__)
log.addFilter(RateLimitFilter())

_STABLE_AFTER = 10.0
"""Seconds that Envoy has to run for its next crash to count as the first."""
_POLL_INTERVAL = 0.05
_REMOVAL_TIMEOUT = 2.0
"""Seconds that a removed worker is waited for: Envoy reads a changed file within milliseconds."""
_LAST_CALLS = 0.2
"""Seconds between the removal of a worker and its end, for calls that were on their way to it."""
_ACTIVE = "downstream_(rq|cx)_active$"
_UNUSED_FOR = DRAIN_TIMEOUT + 1.5
"""Seconds without a call after which callers that don't leave are left behind."""
_LONGEST_PATH = 100
"""Bytes of a Unix socket's path; Linux takes 107."""


class Edge:
    """Envoy, and the directory that it and the workers share.

    Args:
        settings: `listen` names a port.
        binary: Envoy's; None where it is run from elsewhere.
        certificates: None without TLS.
        threads: Envoy's.

    Raises:
        SettingsError: the directory can't be used.
    """

    def __init__(
        self, settings: Settings, binary: Path | None, certificates: Certificates | None, *, threads: int
    ) -> None:
        self._own_directory = settings.edge.directory is None
        self._directory = open_directory(settings.edge.directory)
        self._lock = _lock(self._directory)
        self.plan = EdgePlan.from_settings(settings, self._directory)
        self._certificates = certificates
        self._written: PemBundle | None = None
        self._endpoints: list[Path] | None = None
        self._sockets = 0
        self._admin = EnvoyAdmin(self.plan.admin_socket)
        self._envoy: EnvoyProcess | None = None
        self._began = self._restart_at = 0.0
        self._crashes = 0
        self._live = False
        self.set_endpoints([])
        write_draining(self.plan, draining=False)
        self._renew_certificate()
        if binary is not None:
            configuration = self._directory / "envoy.json"
            configuration.write_bytes(orjson.dumps(bootstrap(self.plan), option=orjson.OPT_INDENT_2))
            self._envoy = EnvoyProcess(binary, configuration, threads=threads)

    @property
    def problem(self) -> str:
        """Why callers can't be served though workers could; empty when they can."""
        return "" if self._envoy is None or self._live else "Envoy is not serving"

    def new_socket(self, worker: str) -> Path:
        """A path for a worker to listen on, never used before."""
        self._sockets += 1
        return self._directory / f"{worker}-{self._sockets}.sock"

    def start(self) -> None:
        """Start Envoy."""
        if self._envoy is None:
            return
        self._began, self._live = time.monotonic(), False
        self._envoy.start()

    def poll(self) -> None:
        """Bring Envoy back when it died, and hand on certificates that changed; called many times a second."""
        self._renew_certificate()
        envoy = self._envoy
        if envoy is None:
            return
        if self._restart_at:
            if time.monotonic() >= self._restart_at:
                self._restart_at = 0.0
                self.start()
        elif envoy.exit_code is not None:
            self._reap(envoy.exit_code)
        elif not self._live:
            self._live = self._admin.is_live()

    def set_endpoints(self, sockets: Iterable[Path]) -> None:
        """Have calls go to these workers, and to no other; where that can't be written, the next time."""
        wanted = sorted(sockets)
        if wanted != self._endpoints:
            with _logged("the workers"):
                write_endpoints(self.plan, wanted)
                self._endpoints = wanted

    def wait_removed(self, socket: Path) -> None:
        """Wait until no call goes to a worker any more that is not among the endpoints."""
        end = time.monotonic() + _REMOVAL_TIMEOUT
        while self._admin.knows(socket) and time.monotonic() < end:
            time.sleep(_POLL_INTERVAL)
        time.sleep(_LAST_CALLS if self._envoy is not None else _REMOVAL_TIMEOUT)

    def metrics(self) -> bytes:
        """Envoy's own figures, under its own names; empty where it does not answer."""
        return self._admin.prometheus()

    def drain(self, grace: float) -> None:
        """Ask all callers to leave, and end Envoy when they have, or after `grace` seconds.

        An Envoy that is run from elsewhere sends no call here any more.
        """
        if self._envoy is None:
            self.set_endpoints([])
            time.sleep(min(grace, _LAST_CALLS))
            return
        end = time.monotonic() + grace
        try:
            write_draining(self.plan, draining=True)
            self._admin.drain()
            self._wait_unused(end)
        except OSError as problem:
            log.warning("Envoy can't be drained: %s", problem)
        self._envoy.stop()

    @property
    def envoy_pid(self) -> int | None:
        """Envoy's process id; None where it does not run here."""
        return None if self._envoy is None else self._envoy.pid

    def close(self) -> None:
        """Remove the directory where it is our own."""
        os.close(self._lock)
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _wait_unused(self, end: float) -> None:
        """Wait until all connections are closed, or none has had a call for a while: some callers never leave."""
        used = time.monotonic()
        while (now := time.monotonic()) < end and now - used < _UNUSED_FOR:
            figures = self._admin.figures(_ACTIVE)
            if not figures.get(f"http.{HTTP_PREFIX}.downstream_cx_active"):
                return
            if figures.get(f"http.{HTTP_PREFIX}.downstream_rq_active"):
                used = now
            time.sleep(_POLL_INTERVAL)

    def _reap(self, exit_code: int) -> None:
        lived = time.monotonic() - self._began
        self._crashes = 1 if lived > _STABLE_AFTER else self._crashes + 1
        wait_for = 0.0 if self._crashes == 1 else RECONNECT.delay(self._crashes)
        log.error("Envoy ended with %s; started again in %.1f s", exit_code, wait_for)
        self._live = False
        self._restart_at = time.monotonic() + wait_for

    def _renew_certificate(self) -> None:
        if self._certificates is None:
            return
        pems = self._certificates.pems()
        if pems is not self._written:
            with _logged("the certificates"):
                write_certificate(self.plan, pems.certificate, pems.key, pems.roots)
                self._written = pems


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """A full disk must not end the service: Envoy goes on with what it has."""
    try:
        yield
    except OSError as problem:
        log.error("Envoy can't be told of %s, tried again: %s", what, problem)


def open_directory(wanted: Path | None) -> Path:
    """Make a directory that nobody else can enter; a temporary one for None.

    Raises:
        SettingsError: it can't be made, or others can enter it, or its path is too long for a socket.
    """
    if wanted is None:
        path = Path(tempfile.mkdtemp(prefix="did-router-"))
    else:
        path = wanted.absolute()
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.stat()
        except OSError as problem:
            raise SettingsError(f"setting 'edge_directory': {path}: {problem.strerror}") from None
        if found.st_mode & 0o077 or found.st_uid != os.getuid():
            raise SettingsError(
                f"setting 'edge_directory': {path} is open to others: chown it to the service's user, and chmod 700"
            )
    if len(os.fsencode(path)) + len("/worker-000-000000.sock") > _LONGEST_PATH:
        raise SettingsError(f"setting 'edge_directory': {path} is too long for Unix sockets: choose a shorter path")
    return path


def _lock(directory: Path) -> int:
    """Hold the directory until the descriptor is closed, and remove the sockets of those that held it before.

    The lock is on the directory itself: systemd-tmpfiles removes nothing from one that is locked so.
    """
    held = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise SettingsError(f"setting 'edge_directory': {directory} is used by another did-router") from None
    for left_over in directory.glob("worker-*.sock"):
        with contextlib.suppress(OSError):
            left_over.unlink()
    return held
