"""The supervisor of `serve`: starts workers that share one port, restarts them, and replaces them one by one.

Workers are spawned, not forked: gRPC does not survive a fork.
"""

import contextlib
import logging
import queue
import signal
import socket
import time
from functools import partial

from router.console.bind_policy import check_console_listen, check_own_service
from router.runtime.addresses import Address
from router.runtime.available_cpus import available_cpus
from router.runtime.cpu_affinity import ClaimedCores, may_pin
from router.runtime.service_manager import ServiceManager
from router.server import worker
from router.server.admin.aggregate import AggregatedPages
from router.server.admin.metrics import build_registry
from router.server.admin.supervisor_metrics import SupervisorMetrics
from router.server.auth.authorizer import open_authorizer
from router.server.auth.bind_policy import check_bind_policy
from router.server.auth.tls_files import open_certificates
from router.server.calls import native
from router.server.child_process import ChildProcess, wait_exited
from router.server.edge.choice import EDGE, GRPCIO, NATIVE, choose_transport
from router.server.edge.edge import Edge
from router.server.reserved_ports import reserve, reserve_datagrams, reserve_http
from router.settings import Settings
from router.settings.urls import without_password
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_POLL_INTERVAL = 0.05
_READY_TIMEOUT = 30.0
_KILL_MARGIN = 5.0
"""Seconds beyond the grace period after which a worker is killed."""

_WITHOUT_PAGES = (worker.follow, worker.console)
"""Children without admin pages of a worker."""
_WITHOUT_TLS: dict[str, None] = {"tls_certificate": None, "tls_key": None, "tls_client_ca": None}


class Supervisor:
    """Runs until SIGTERM or SIGINT.

    Raises:
        SettingsError: a setting that no worker could start with, or an address that strangers can reach.
        OSError: the address can't be listened on.
    """

    def __init__(self, settings: Settings, *, with_follower: bool, with_console: bool = False) -> None:
        check_bind_policy(settings)
        if with_console:
            check_console_listen(settings)
            check_own_service(settings)
        Stores(settings)  # reports a bad setting once, before each worker would
        authorizer, certificates = open_authorizer(settings), open_certificates(settings)
        choice = choose_transport(settings)
        if choice.note:
            log.info("%s", choice.note)
        self._reserved: socket.socket | None = None
        address = settings.server.listen
        if not settings.edge.external:
            self._reserved, address = reserve(settings.server.listen)
        self._reserved_http, http_address = reserve_http(settings)
        self._reserved_sip, sip_address = reserve_datagrams(settings.sip.listen, "sip_listen")
        self._reserved_enum, enum_address = reserve_datagrams(settings.enum.listen, "enum_listen")
        changes = {"listen": address, "http_listen": http_address}
        changes |= {"sip_listen": sip_address, "enum_listen": enum_address}
        self._settings = settings.with_values(**changes, admin_listen="127.0.0.1:0", transport=choice.transport)
        count = settings.server.workers or available_cpus()
        pins = may_pin() if settings.server.cpu_affinity == "auto" else settings.server.cpu_affinity
        # Claimed by the supervisor: a worker and its replacement run at the same time.
        self._cores = cores = ClaimedCores(count if pins else 0)
        self._children = [
            ChildProcess(f"worker-{index}", partial(worker.work, core=cores.core(index))) for index in range(count)
        ]
        if with_follower:
            self._children.append(ChildProcess("follower", worker.follow))
        if with_console:
            self._children.append(ChildProcess("console", worker.console))
        self._edge: Edge | None = None
        if choice.transport == EDGE:
            threads = settings.edge.threads or count
            self._edge = Edge(self._numeric_settings(), choice.envoy, certificates, threads=threads)
        self._pages = AggregatedPages(
            settings.server.admin_listen,
            self._admin_ports,
            authorizer,
            certificates,
            self._edge,
            metrics_ports=self._metrics_ports,
            own=build_registry(
                SupervisorMetrics(
                    lambda: {child.name: child.exits for child in self._children},
                    certificates,
                    None if authorizer is None else authorizer.counts,
                )
            ),
        )
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop_asked = self._draining = self._announced = False
        self._leaving: list[ChildProcess] = []
        """Children that were replaced, or not yet in service, when a stop signal ended a replacement."""
        self._systemd = ServiceManager()
        self.address = address

    def _numeric_settings(self) -> Settings:
        """Return the settings with an IP address in place of a host name in `listen`."""
        if self._reserved is None:
            return self._settings
        host, port = self._reserved.getsockname()[:2]
        return self._settings.with_values(listen=str(Address(host, port)))

    def run(self) -> None:
        """Start the children, and supervise them until a signal arrives."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda received, _: self._receive(received))
        self._pages.start()
        if self._edge is not None:
            self._edge.start()
        for child in self._children:
            child.start(self._child_settings(child))
        try:
            self._supervise()
        finally:
            self._stop()

    def _receive(self, received: int) -> None:
        """Pass a signal to the supervising loop; one that asks to stop also ends a replacement that is under way."""
        self._stop_asked |= received != signal.SIGHUP
        self._signals.put(received)

    def _supervise(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                received = self._signals.get(timeout=_POLL_INTERVAL)
                if received == signal.SIGHUP:
                    self._replace_all()
                else:
                    self._announce_stop(received)
                    return
            self._poll_all()
            self._announce_listening_once()

    def _poll_all(self) -> None:
        for child in self._children:
            self._poll_child(child)
        self._poll_edge()
        in_service = sum(child.ready for child in self._children)
        self._systemd.status(f"{in_service} of {len(self._children)} processes in service")

    def _poll_edge(self) -> None:
        self._systemd.keep_alive()
        if self._edge is not None:
            self._edge.poll()
            self._edge.set_endpoints(child.socket for child in self._children if child.ready and child.socket)

    def _announce_stop(self, received: int) -> None:
        """Report not ready, and go on answering for `drain_delay` seconds, so that load balancers notice.

        Ctrl-C does not wait, and another signal ends the waiting.
        """
        self._draining = True
        self._systemd.stopping()
        for child in self._children:
            child.send(worker.NOT_READY)
        if received != signal.SIGTERM:
            return
        end = time.monotonic() + self._settings.server.drain_delay
        while time.monotonic() < end and self._signals.empty():
            self._poll_all()
            time.sleep(_POLL_INTERVAL)

    def _announce_listening_once(self) -> None:
        """Log the addresses, and tell systemd, as soon as every child is in service."""
        if self._announced or any(child.pipe is None or not child.ready for child in self._children):
            return
        if self._edge is not None and self._edge.problem():
            return
        self._announced = True
        self._systemd.ready()
        settings = self._settings
        log.info(
            "listening on %s, admin on %s, transport %s, CouchDB %s, Redis %s",
            self.address,
            self._pages.address,
            self._settings.server.transport,
            without_password(settings.couchdb.url),
            without_password(settings.redis.url),
        )

    def _poll_child(self, child: ChildProcess) -> None:
        """Start a child that is due, reap one that exited, and read the report of one that became ready."""
        if child.process is None:
            if time.monotonic() >= child.restart_at:
                child.start(self._child_settings(child))
        elif child.exit_code is not None:
            child.schedule_restart()
        else:
            child.receive_ready()

    def _child_settings(self, child: ChildProcess) -> Settings:
        """Return the child's settings; behind the edge each run of a worker listens on its own socket."""
        if child.target is worker.console:
            return self._console_settings()
        if self._edge is None or child.target is worker.follow:
            return self._settings
        child.socket = self._edge.new_socket(child.name)
        transport = NATIVE if native.is_installed() else GRPCIO
        own = {"listen": f"unix:{child.socket}", "transport": transport}
        return self._settings.with_values(**own, **_WITHOUT_TLS)

    def _console_settings(self) -> Settings:
        """Return the settings with the addresses that this `serve` listens on."""
        group = self._settings.console
        own = {"listen": self.address, "admin_listen": self._pages.address}
        return self._settings.with_values(**own) if not (group.services and group.instances) else self._settings

    def _replace_all(self) -> None:
        """Replace the children one by one: the replacement is in service before the old child drains.

        A stop signal ends that at once, and `_stop` drains what is running.
        """
        self._systemd.reloading()
        try:
            self._replace_each()
        finally:
            self._systemd.ready()

    def _replace_each(self) -> None:
        for index, old in enumerate(self._children):
            if old.target is worker.console:
                continue  # it holds logins, and answers no calls
            if self._stop_asked:
                return
            replacement = ChildProcess(old.name, old.target, exits=old.exits)
            replacement.start(self._child_settings(replacement))
            if not self._wait_ready(replacement):
                self._abandon(replacement)
                return
            self._children[index] = replacement
            self._poll_edge()
            if self._edge is not None and old.socket is not None:
                self._edge.wait_removed(old.socket)
            if not self._end(old):
                return
        log.info("all children are replaced")

    def _abandon(self, replacement: ChildProcess) -> None:
        if self._stop_asked:
            self._leaving.append(replacement)
            return
        log.error("replacement not ready in time, the old process goes on: process=%s", replacement.name)
        replacement.process.kill()
        replacement.release()

    def _end(self, old: ChildProcess) -> bool:
        """Drain a replaced child; return False where a stop signal came first, and `_stop` has to wait for it."""
        if old.process is None:
            return True
        old.process.terminate()
        self._wait_exited([old])
        if old.exit_code is None and self._stop_asked:
            self._leaving.append(old)
            return False
        old.release()
        return True

    def _wait_ready(self, child: ChildProcess) -> bool:
        end = time.monotonic() + _READY_TIMEOUT
        while not child.ready and time.monotonic() < end and not self._stop_asked:
            if child.receive_ready(_POLL_INTERVAL):
                break
            self._poll_all()
        return child.ready

    def _wait_exited(self, children: list[ChildProcess]) -> None:
        """Wait for the end of children; before the stop until a stop signal at most, while others are looked after."""
        timeout = self._settings.server.shutdown_grace_period + _KILL_MARGIN
        if self._draining:
            wait_exited(children, timeout, interval=_POLL_INTERVAL, poll=self._systemd.keep_alive)
            return
        wait_exited(
            children, timeout, interval=_POLL_INTERVAL, poll=self._poll_all, interrupted=lambda: self._stop_asked
        )

    def _stop(self) -> None:
        log.info("draining: running calls finish, new ones go elsewhere")
        self._draining = True
        if self._edge is not None:
            self._edge.drain(self._settings.server.shutdown_grace_period)
        running = [child for child in (*self._children, *self._leaving) if child.process is not None]
        for child in running:
            child.process.terminate()
        self._wait_exited(running)
        self._pages.stop()
        for reserved in (self._reserved, self._reserved_http, self._reserved_sip, self._reserved_enum):
            if reserved is not None:
                reserved.close()
        if self._edge is not None:
            self._edge.close()
        self._cores.release()

    def _admin_ports(self) -> dict[str, int]:
        """Return the workers' admin ports by name, 0 for one that is not in service; none while draining."""
        if self._draining:
            return {}
        return {child.name: child.admin_port for child in list(self._children) if child.target not in _WITHOUT_PAGES}

    def _metrics_ports(self) -> dict[str, int]:
        """Like `_admin_ports`, with the follower's."""
        if self._draining:
            return {}
        return {child.name: child.admin_port for child in list(self._children) if child.target is not worker.console}
