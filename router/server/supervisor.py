"""The parent of `serve`: workers share one port, a dead one is replaced, all can be replaced one by one.

Workers are started as fresh processes, before any gRPC object exists here: gRPC does not survive a fork.
"""

import contextlib
import logging
import multiprocessing
import queue
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from router.runtime.available_cpus import available_cpus
from router.runtime.backoff import backoff_delay
from router.runtime.cpu_affinity import ClaimedCores, may_pin
from router.server import worker
from router.server.admin.aggregate import GatheredPages
from router.server.auth.authorizer import open_guard
from router.server.auth.bind_policy import check_exposure
from router.server.auth.tls_files import open_certificates
from router.server.calls import native
from router.server.calls.call_source import AddressTaken, taken
from router.server.edge.choice import EDGE, GRPCIO, NATIVE, choose
from router.server.edge.edge import Edge
from router.settings import Settings
from router.settings.urls import without_password
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_LOOK = 0.05
_READY_WITHIN = 30.0
_LONGER = 5.0
"""Seconds beyond the drain limit after which a worker is killed."""
_STEADY = 10.0
"""Seconds that a child has to live for its next death to count as the first."""

_WITHOUT_TLS: dict[str, None] = {"tls_certificate": None, "tls_key": None, "tls_client_ca": None}

_spawn = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Child:
    """A process and the pipe that ends with it.

    Attributes:
        socket: where it listens behind the edge; None without one.
    """

    name: str
    target: Callable[..., None]
    process: Any = None
    pipe: Connection | None = None
    ready: bool = False
    admin_port: int = 0
    socket: Path | None = None
    began: float = 0.0
    deaths: int = 0
    due: float = field(default=0.0)


class Supervisor:
    """Runs until SIGTERM or SIGINT.

    Raises:
        SettingsError: a setting that no worker could start with, or an address that strangers could reach.
        OSError: the address can't be listened on.
    """

    def __init__(self, settings: Settings, *, with_follower: bool) -> None:
        check_exposure(settings)
        Stores(settings)  # what is wrong with them is told here, not by each worker again and again
        guard, certificates = open_guard(settings), open_certificates(settings)
        choice = choose(settings)
        if choice.note:
            log.info("%s", choice.note)
        self._reserved: socket.socket | None = None
        address = settings.server.listen
        if not settings.edge.external:
            self._reserved, address = _reserve(settings.server.listen)
        changes = {"listen": address, "admin_listen": "127.0.0.1:0", "transport": choice.transport}
        self._settings = settings.with_values(**changes)
        count = settings.server.workers or available_cpus()
        pins = may_pin() if settings.server.cpu_affinity == "auto" else settings.server.cpu_affinity
        # Held here for as long as the service runs: a worker and its replacement run at the same time.
        self._cores = cores = ClaimedCores(count if pins else 0)
        self._children = [
            Child(f"worker-{index}", partial(worker.work, core=cores.core(index))) for index in range(count)
        ]
        if with_follower:
            self._children.append(Child("follower", worker.follow))
        self._edge: Edge | None = None
        if choice.transport == EDGE:
            self._edge = Edge(self._numeric(), choice.envoy, certificates, threads=settings.edge.threads or count)
        self._pages = GatheredPages(settings.server.admin_listen, self._admin_ports, guard, certificates, self._edge)
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._draining = self._announced = False
        self.address = address

    def _numeric(self) -> Settings:
        """The settings with an IP address for the host that `listen` may name."""
        if self._reserved is None:
            return self._settings
        host, port = self._reserved.getsockname()[:2]
        return self._settings.with_values(listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def run(self) -> None:
        """Start the children and look after them."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _: self._signals.put(got))
        self._pages.start()
        if self._edge is not None:
            self._edge.start()
        for child in self._children:
            self._start(child)
        try:
            self._look_after()
        finally:
            self._end()

    def _look_after(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                received = self._signals.get(timeout=_LOOK)
                if received == signal.SIGHUP:
                    self._replace_all()
                else:
                    self._announce_end(received)
                    return
            self._tend_all()
            self._announce_once()

    def _tend_all(self) -> None:
        for child in self._children:
            self._tend(child)
        self._tend_edge()

    def _tend_edge(self) -> None:
        if self._edge is not None:
            self._edge.poll()
            self._edge.set_endpoints(child.socket for child in self._children if child.ready and child.socket)

    def _announce_end(self, received: int) -> None:
        """Say that this service is not ready any more, and go on answering until whoever polls it has noticed.

        Ctrl-C waits for nobody, and another signal ends the waiting.
        """
        self._draining = True
        for child in self._children:
            if child.pipe is not None:
                with contextlib.suppress(OSError):
                    child.pipe.send(worker.NOT_READY)
        if received != signal.SIGTERM:
            return
        end = time.monotonic() + self._settings.server.drain_delay
        while time.monotonic() < end and self._signals.empty():
            self._tend_all()
            time.sleep(_LOOK)

    def _announce_once(self) -> None:
        """Say where to call, as soon as every child is in service."""
        if self._announced or any(child.pipe is None or not child.ready for child in self._children):
            return
        if self._edge is not None and self._edge.problem:
            return
        self._announced = True
        settings = self._settings
        log.info(
            "listening on %s, admin on %s, transport %s, CouchDB %s, Redis %s",
            self.address,
            self._pages.address,
            self._settings.server.transport,
            without_password(settings.couchdb.url),
            without_password(settings.redis.url),
        )

    def _tend(self, child: Child) -> None:
        """Take its word that it is ready; bring it back when it died."""
        if child.process is None:
            if time.monotonic() >= child.due:
                self._start(child)
        elif child.process.exitcode is not None:
            self._bury(child)
        elif child.pipe is not None and not child.ready and child.pipe.poll():
            self._take_port(child)

    def _start(self, child: Child) -> None:
        ours, theirs = _spawn.Pipe()
        arguments = (self._settings_of(child), logging.getLogger().level, theirs)
        child.process = _spawn.Process(target=child.target, args=arguments, name=child.name, daemon=True)
        child.process.start()
        theirs.close()
        child.pipe, child.ready, child.admin_port = ours, False, 0
        child.began = time.monotonic()

    def _settings_of(self, child: Child) -> Settings:
        """Behind the edge each worker listens on a socket of its own, which ends with it."""
        if self._edge is None or child.target is worker.follow:
            return self._settings
        child.socket = self._edge.new_socket(child.name)
        transport = NATIVE if native.is_installed() else GRPCIO
        own = {"listen": f"unix:{child.socket}", "transport": transport}
        return self._settings.with_values(**own, **_WITHOUT_TLS)

    def _bury(self, child: Child) -> None:
        lived = time.monotonic() - child.began
        child.deaths = 1 if lived > _STEADY else child.deaths + 1
        wait_for = 0.0 if lived > _STEADY else backoff_delay(child.deaths)
        log.error("%s ended with %s; a new one in %.1f s", child.name, child.process.exitcode, wait_for)
        self._let_go(child)
        child.due = time.monotonic() + wait_for

    def _let_go(self, child: Child) -> None:
        if child.pipe is not None:
            child.pipe.close()
        if child.socket is not None:
            child.socket.unlink(missing_ok=True)
        child.process = child.pipe = child.socket = None
        child.ready, child.admin_port = False, 0

    def _take_port(self, child: Child) -> None:
        """It is in service: it said where its admin pages are."""
        if child.pipe is None:
            return
        # A pipe that ended says nothing; the process is buried when it is looked at next.
        with contextlib.suppress(EOFError, OSError):
            child.admin_port, child.ready = child.pipe.recv(), True

    def _replace_all(self) -> None:
        """One by one: the replacement is in service before the old one drains."""
        for index, old in enumerate(self._children):
            fresh = Child(old.name, old.target)
            self._start(fresh)
            if not self._wait_ready(fresh):
                log.error("the replacement of %s did not become ready; the old one goes on", old.name)
                fresh.process.kill()
                self._let_go(fresh)
                return
            self._children[index] = fresh
            self._tend_edge()
            if self._edge is not None and old.socket is not None:
                self._edge.wait_removed(old.socket)
            if old.process is not None:
                old.process.terminate()
                self._wait_gone([old], meanwhile=self._tend_edge)
                self._let_go(old)
        log.info("all children are replaced")

    def _wait_ready(self, child: Child) -> bool:
        end = time.monotonic() + _READY_WITHIN
        while child.pipe is not None and not child.ready and time.monotonic() < end:
            if child.pipe.poll(_LOOK):
                self._take_port(child)
                break
            self._tend_edge()
        return child.ready

    def _wait_gone(self, children: list[Child], meanwhile: Callable[[], None] = lambda: None) -> None:
        end = time.monotonic() + self._settings.server.shutdown_grace_period + _LONGER
        for child in children:
            if child.process is None:
                continue
            while child.process.exitcode is None and time.monotonic() < end:
                child.process.join(timeout=_LOOK)
                meanwhile()
            if child.process.exitcode is None:
                log.error("%s does not end; killed", child.name)
                child.process.kill()

    def _end(self) -> None:
        log.info("draining: running calls finish, new ones go elsewhere")
        self._draining = True
        if self._edge is not None:
            self._edge.drain(self._settings.server.shutdown_grace_period)
        running = [child for child in self._children if child.process is not None]
        for child in running:
            child.process.terminate()
        self._wait_gone(running)
        self._pages.stop()
        if self._reserved is not None:
            self._reserved.close()
        if self._edge is not None:
            self._edge.close()
        self._cores.release()

    def _admin_ports(self) -> dict[str, int]:
        """Return each worker's, 0 for one that is not in service; none while draining."""
        if self._draining:
            return {}
        return {child.name: child.admin_port for child in list(self._children) if child.target is not worker.follow}


def _reserve(address: str) -> tuple[socket.socket, str]:
    """Hold the port for the workers; a port that somebody else listens on is an error."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bare = host.strip("[]")
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bare, int(port)))
            probe.listen()
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((bare, int(port)))
    except OSError as problem:
        raise AddressTaken(taken(address, problem)) from None
    return held, f"{host}:{held.getsockname()[1]}"
