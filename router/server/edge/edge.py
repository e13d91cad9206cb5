"""The edge: runs and supervises Envoy in front of the workers of `serve`."""

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
"""Seconds of running after which Envoy's next exit counts as its first."""
_POLL_INTERVAL = 0.05
_REMOVAL_TIMEOUT = 2.0
"""Seconds to wait for the removal of a worker: Envoy reads a changed file within milliseconds."""
_LAST_CALLS = 0.2
"""Seconds between the removal of a worker and its stop, for calls on their way to it."""
_ACTIVE_PATTERN = "downstream_(rq|cx)_active$"
_UNUSED_TIMEOUT = DRAIN_TIMEOUT + 1.5
"""Seconds without a call after which the remaining connections are closed."""
_REFUSED_CERTIFICATE = (
    "Envoy refuses the files of 'tls_certificate', 'tls_key' or 'tls_client_ca': use an RSA key of 2,048 bits or more, "
    "an ECDSA key on P-256, P-384 or P-521, or an Ed25519 key; they are read again when they change"
)
_RENEWAL_TIMEOUT = 1.0
"""Seconds until Envoy has read changed certificates."""
_MAX_PATH_BYTES = 100
"""Maximum length of a Unix socket's path; Linux accepts 107 bytes."""


class Edge:
    """Runs Envoy in a directory that it shares with the workers.

    Args:
        settings: `listen` holds a port.
        binary: Envoy's; None where it runs elsewhere.
        certificates: None without TLS.
        threads: Envoy's worker threads.

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
        self._started_at = self._restart_at = 0.0
        self._crashes = 0
        self._live = False
        self._check_renewal_at, self._rejected = 0.0, 0
        self.set_endpoints([])
        write_draining(self.plan, draining=False)
        self._renew_certificate()
        if binary is not None:
            configuration = self._directory / "envoy.json"
            configuration.write_bytes(orjson.dumps(bootstrap(self.plan), option=orjson.OPT_INDENT_2))
            self._envoy = EnvoyProcess(binary, configuration, threads=threads)

    def problem(self) -> str:
        """Return why callers can't reach the workers, and what to do; empty when they can.

        Envoy is asked each time: a process that was live may have been stopped.
        """
        if self._envoy is None:
            return ""
        if not self._live:
            return "Envoy is not serving"
        try:
            return _REFUSED_CERTIFICATE if self._admin.refuses_secrets() else ""
        except OSError:
            return (
                f"Envoy (process {self._envoy.pid}) does not answer: it is stopped or overloaded; where that lasts, "
                "kill it, and a new one is started"
            )

    def new_socket(self, worker: str) -> Path:
        """Return an unused path for a worker's socket."""
        self._sockets += 1
        return self._directory / f"{worker}-{self._sockets}.sock"

    def start(self) -> None:
        """Start Envoy."""
        if self._envoy is None:
            return
        self._started_at, self._live, self._rejected = time.monotonic(), False, 0
        self._envoy.start()

    def poll(self) -> None:
        """Restart Envoy after its exit, and pass changed certificates to it; called many times a second."""
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
            if self._live and (problem := self.problem()):
                log.error("no caller can connect: error=%s", problem)
        else:
            self._check_renewal()

    def set_endpoints(self, sockets: Iterable[Path]) -> None:
        """Route calls to these workers only; where the file can't be written, the next call tries again."""
        wanted = sorted(sockets)
        if wanted != self._endpoints:
            with _log_errors("workers"):
                write_endpoints(self.plan, wanted)
                self._endpoints = wanted

    def wait_removed(self, socket: Path) -> None:
        """Wait until Envoy sends no call to a worker that is not among the endpoints."""
        end = time.monotonic() + _REMOVAL_TIMEOUT
        while self._admin.has_endpoint(socket) and time.monotonic() < end:
            time.sleep(_POLL_INTERVAL)
        time.sleep(_LAST_CALLS if self._envoy is not None else _REMOVAL_TIMEOUT)

    def metrics(self) -> bytes:
        """Return Envoy's metrics under its own names; empty where it does not respond."""
        return self._admin.prometheus()

    def drain(self, grace: float) -> None:
        """Ask all callers to close, and stop Envoy when they have, or after `grace` seconds.

        An Envoy that runs elsewhere gets an empty list of workers.
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
            log.warning("Envoy can't be drained: error=%s", problem)
        self._envoy.stop()

    @property
    def envoy_pid(self) -> int | None:
        """Envoy's process id; None where it runs elsewhere."""
        return None if self._envoy is None else self._envoy.pid

    def close(self) -> None:
        """Remove the directory if this process made it."""
        os.close(self._lock)
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _wait_unused(self, end: float) -> None:
        """Wait until all connections are closed or unused for a while: some callers never close."""
        used = time.monotonic()
        while (now := time.monotonic()) < end and now - used < _UNUSED_TIMEOUT:
            statistics = self._admin.statistics(_ACTIVE_PATTERN)
            if not statistics.get(f"http.{HTTP_PREFIX}.downstream_cx_active"):
                return
            if statistics.get(f"http.{HTTP_PREFIX}.downstream_rq_active"):
                used = now
            time.sleep(_POLL_INTERVAL)

    def _reap(self, exit_code: int) -> None:
        ran_for = time.monotonic() - self._started_at
        self._crashes = 1 if ran_for > _STABLE_AFTER else self._crashes + 1
        backoff = 0.0 if self._crashes == 1 else RECONNECT.delay(self._crashes)
        log.error("Envoy ended: exit_code=%s again_in=%.1f", exit_code, backoff)
        self._live = False
        self._restart_at = time.monotonic() + backoff

    def _renew_certificate(self) -> None:
        if self._certificates is None:
            return
        pems = self._certificates.pems()
        if pems is not self._written:
            with _log_errors("certificates"):
                write_certificate(self.plan, pems.certificate, pems.key, pems.roots)
                self._written = pems
                self._check_renewal_at = time.monotonic() + _RENEWAL_TIMEOUT if self._live else 0.0

    def _check_renewal(self) -> None:
        """Log once where Envoy refused changed certificates, and so keeps the previous ones."""
        if not self._check_renewal_at or time.monotonic() < self._check_renewal_at:
            return
        self._check_renewal_at = 0.0
        with contextlib.suppress(OSError):
            rejected = self._admin.rejected_secrets()
            if rejected > self._rejected:
                log.error("certificates not renewed, the previous ones stay in use: error=%s", _REFUSED_CERTIFICATE)
            self._rejected = rejected


@contextlib.contextmanager
def _log_errors(content: str) -> Iterator[None]:
    """Log an OSError, such as of a full disk; Envoy continues with the previous content."""
    try:
        yield
    except OSError as problem:
        log.error("file for Envoy not written, tried again: content=%s error=%s", content, problem)


def open_directory(wanted: Path | None) -> Path:
    """Create a directory that no other user can open; a temporary one for None.

    Raises:
        SettingsError: it can't be created, or others can open it, or its path is too long for a socket.
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
    if len(os.fsencode(path)) + len("/worker-000-000000.sock") > _MAX_PATH_BYTES:
        raise SettingsError(f"setting 'edge_directory': {path} is too long for Unix sockets: choose a shorter path")
    return path


def _lock(directory: Path) -> int:
    """Lock the directory until the descriptor is closed, and remove the sockets of its previous owner.

    The lock is on the directory itself, since systemd-tmpfiles removes nothing from a locked directory.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise SettingsError(f"setting 'edge_directory': {directory} is used by another did-router") from None
    for orphan in directory.glob("worker-*.*"):
        with contextlib.suppress(OSError):
            orphan.unlink()
    return descriptor
