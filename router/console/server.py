"""The console's process: uvicorn before the application, and the parts made from the settings."""

import asyncio
import math
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.client import Tls
from router.console.admin_pages import AdminPages
from router.console.app import build_app
from router.console.bind_policy import check_console_listen
from router.console.certificate import ServedCertificate, present_to_services, trust_services
from router.console.context import Console
from router.console.services import ServiceError, Services
from router.console.sessions import SessionStore
from router.console.setting_files import read_file
from router.runtime.addresses import Address, is_loopback, parse_address
from router.runtime.http_server import http_config, listen
from router.runtime.service_manager import ServiceManager
from router.settings import Settings
from router.settings.groups.console import ConsoleSettings

_MAX_CONNECTIONS = 256
"""Connections and requests at a time; more get 503."""
_REQUEST_TIMEOUT = 10.0
"""Seconds for a request to arrive, of which uvicorn has no limit."""
_KEEP_ALIVE = 15
"""Seconds that a connection stays without a request."""
_BACKLOG = 128
_GRACE_PERIOD = 2
"""Seconds for running requests to finish."""
_SERVICE_POLL_INTERVAL = 1.0
"""Seconds between two questions whether a service answers yet."""
_PATIENCE = 10.0
"""Seconds without an answer after which the reason is announced; a service starts within a few."""
_WITHOUT_TLS = "if it uses TLS, set console_ca (or console_tls for certificates of a public authority)"
_WITH_TLS = "console_services has to be a name in its certificate, and console_ca this certificate's authority"
_WITHOUT_CERTIFICATE = "if it requires a client certificate, set console_client_certificate and console_client_key"
_WITH_CERTIFICATE = "its tls_client_ca has to hold the authority of console_client_certificate"
Announce = Callable[[str], None]
"""Receives a line for the person who starts the console."""

_ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not listened on


class ConsoleServer:
    """Serves the console on one address.

    Raises:
        SettingsError: an unusable setting, or an address that strangers can reach without TLS.
        OSError: the address can't be listened on.
    """

    def __init__(self, settings: Settings) -> None:
        group = settings.console
        check_console_listen(settings)
        self._certificate = _certificate(settings)
        self.console = _console(settings)
        self._advice = _advice(group)
        self._socket = _listen(group.listen)
        host, port = self._socket.getsockname()[:2]
        self.address = str(Address(host, port))
        config = http_config(
            build_app(self.console),
            _BoundedProtocol,
            lifespan="on",
            proxy_headers=True,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE_PERIOD,
        )
        if self._certificate is not None:
            config.load()
            config.ssl = self._certificate.context
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="console", daemon=True
        )
        self._stopped = threading.Event()

    @property
    def url(self) -> str:
        """The console's URL."""
        return f"{'http' if self._certificate is None else 'https'}://{self.address}/"

    def start(self, announce: Announce | None = None) -> None:
        """Serve in a thread.

        Args:
            announce: receives the address, and then, when a service answers, what to log in with.
        """
        self._thread.start()
        if announce is None:
            return
        announce(f"console: {self.url}")
        threading.Thread(target=self._announce_login, args=(announce,), name="console-login", daemon=True).start()

    def stop(self) -> None:
        """Finish running requests, and stop serving."""
        self._stopped.set()
        self._server.should_exit = True
        self._thread.join(_GRACE_PERIOD + 1)
        self.console.services.close()

    def _announce_login(self, announce: Announce) -> None:
        impatient_at = time.monotonic() + _PATIENCE
        while not self._stopped.is_set():
            try:
                is_open = self.console.is_open()
            except ServiceError as problem:
                if time.monotonic() > impatient_at:
                    announce(f"console: {problem.message}: {self._advice}")
                    impatient_at = math.inf
                self._stopped.wait(_SERVICE_POLL_INTERVAL)
                continue
            way = f"{self.console.key} (the service asks for no token)" if is_open else "a token of the service"
            announce(f"console: log in with {way}")
            return


class _BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request does not arrive in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._restart()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._restart()

    def on_headers_complete(self) -> None:
        self._cancel()  # the handlers bound the time of a body
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _restart(self) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(_REQUEST_TIMEOUT, self.transport.close)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _console(settings: Settings) -> Console:
    group = settings.console
    context = _context(group)
    services = Services(group.services or (_reachable(settings.server.listen),), _tls(group))
    admin = AdminPages(group.instances or (_own_instance(settings),), context)
    token = b"" if group.token_file is None else read_file(group.token_file, "console_token_file")
    sessions = SessionStore(group.idle_timeout, group.session_ttl)
    return Console(services, admin, sessions, settings.cache.stale_after, token.decode("ascii", "replace").strip())


def _advice(group: ConsoleSettings) -> str:
    """Return what to look at when no service answers."""
    if not group.uses_tls:
        return _WITHOUT_TLS
    return f"{_WITH_TLS}; {_WITHOUT_CERTIFICATE if group.client_certificate is None else _WITH_CERTIFICATE}"


def _context(group: ConsoleSettings) -> ssl.SSLContext:
    """Return the TLS of the admin addresses."""
    context = trust_services(group.ca)
    if group.client_certificate is not None and group.client_key is not None:
        present_to_services(context, group.client_certificate, group.client_key)
    return context


def _tls(group: ConsoleSettings) -> Tls | None:
    """Return the TLS of the services; None: they use none."""
    if not group.uses_tls:
        return None
    files = {
        "console_ca": group.ca,
        "console_client_certificate": group.client_certificate,
        "console_client_key": group.client_key,
    }
    return Tls(*(None if path is None else read_file(path, setting) for setting, path in files.items()))


def _certificate(settings: Settings) -> ServedCertificate | None:
    """Return the certificate to serve; None where only this machine reaches the console, or TLS is off."""
    tls = settings.tls
    if tls.certificate is None or tls.key is None or is_loopback(settings.console.listen):
        return None
    return ServedCertificate(tls.certificate, tls.key)


def _own_instance(settings: Settings) -> str:
    """Return the URL of the admin pages that a `serve` with these settings has."""
    address = settings.server.admin_listen
    scheme = "https" if settings.tls.enabled and not is_loopback(address) else "http"
    return f"{scheme}://{_reachable(address)}"


def _reachable(address: str) -> str:
    """Return an address to connect to: one that means every interface is reached by loopback."""
    parsed = parse_address(address)
    return str(parsed._replace(host=_ANY_HOSTS.get(parsed.host, parsed.host)))


def _listen(address: str) -> socket.socket:
    try:
        return listen(parse_address(address), _BACKLOG)
    except OSError as problem:
        raise OSError(
            f"can't listen on {address} for the console: {problem.strerror}: stop what listens there, or choose "
            "another address with console_listen"
        ) from None


def run_console(settings: Settings, announce: Announce) -> None:
    """Run the console until SIGTERM or SIGINT.

    Raises:
        SettingsError, OSError: see `ConsoleServer`.
    """
    systemd = ServiceManager()
    server = ConsoleServer(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start(announce)
    systemd.ready()
    while not stop.wait(systemd.watchdog_interval or None):
        systemd.keep_alive()
    systemd.stopping()
    server.stop()
