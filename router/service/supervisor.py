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
from typing import Any

from router.follower.backoff import pause
from router.service import worker
from router.service.available_cpus import available_cpus
from router.service.certificates import open_certificates
from router.service.cores import ClaimedCores, may_pin
from router.service.exposure import check_exposure
from router.service.floods import FloodWatch
from router.service.front import AddressTaken, taken
from router.service.gathering import GatheredPages
from router.service.guard import open_guard
from router.settings import Settings
from router.store_urls import without_password
from router.stores import Stores

log = logging.getLogger(__name__)

_LOOK = 0.05
_READY_WITHIN = 30.0
_LONGER = 5.0
"""Seconds beyond the drain limit after which a worker is killed."""
_STEADY = 10.0
"""Seconds that a child has to live for its next death to count as the first."""

_spawn = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Child:
    """A process and the pipe that ends with it."""

    name: str
    target: Callable[..., None]
    process: Any = None
    pipe: Connection | None = None
    ready: bool = False
    admin_port: int = 0
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
        self._reserved, address = _reserve(settings.listen)
        self._settings = settings.model_copy(update={"listen": address, "admin_listen": "127.0.0.1:0"})
        count = settings.workers or available_cpus()
        pins = may_pin() if settings.pin_workers == "auto" else settings.pin_workers
        # Held here for as long as the service runs: a worker and its replacement run at the same time.
        self._cores = cores = ClaimedCores(count if pins else 0)
        self._children = [
            Child(f"worker-{index}", partial(worker.work, core=cores.core(index))) for index in range(count)
        ]
        if with_follower:
            self._children.append(Child("follower", worker.follow))
        self._pages = GatheredPages(settings.admin_listen, self._admin_ports, guard, certificates)
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._draining = self._announced = False
        self.address = address
        port = self._reserved.getsockname()[1]
        self._floods = FloodWatch(port, settings.connection_rate) if settings.connection_rate else None

    def run(self) -> None:
        """Start the children and look after them."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _: self._signals.put(got))
        self._pages.start()
        if self._floods is not None:
            self._floods.start()
        for child in self._children:
            self._start(child)
        try:
            self._look_after()
        finally:
            self._end()

    def _look_after(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                if self._signals.get(timeout=_LOOK) == signal.SIGHUP:
                    self._replace_all()
                else:
                    return
            for child in self._children:
                self._tend(child)
            self._announce_once()

    def _announce_once(self) -> None:
        """Say where to call, as soon as every child is in service."""
        if self._announced or any(child.pipe is None or not child.ready for child in self._children):
            return
        self._announced = True
        settings = self._settings
        log.info(
            "listening on %s, admin on %s, CouchDB %s, Redis %s",
            self.address,
            self._pages.address,
            without_password(settings.couchdb_url),
            without_password(settings.redis_url),
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
        arguments = (self._settings, logging.getLogger().level, theirs)
        child.process = _spawn.Process(target=child.target, args=arguments, name=child.name, daemon=True)
        child.process.start()
        theirs.close()
        child.pipe, child.ready, child.admin_port = ours, False, 0
        child.began = time.monotonic()

    def _bury(self, child: Child) -> None:
        lived = time.monotonic() - child.began
        child.deaths = 1 if lived > _STEADY else child.deaths + 1
        wait_for = 0.0 if lived > _STEADY else pause(child.deaths)
        log.error("%s ended with %s; a new one in %.1f s", child.name, child.process.exitcode, wait_for)
        self._let_go(child)
        child.due = time.monotonic() + wait_for

    def _let_go(self, child: Child) -> None:
        if child.pipe is not None:
            child.pipe.close()
        child.process = child.pipe = None
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
            if old.process is not None:
                old.process.terminate()
                self._wait_gone([old])
                self._let_go(old)
        log.info("all children are replaced")

    def _wait_ready(self, child: Child) -> bool:
        if child.pipe is not None and child.pipe.poll(_READY_WITHIN):
            self._take_port(child)
        return child.ready

    def _wait_gone(self, children: list[Child]) -> None:
        end = time.monotonic() + self._settings.drain_time_limit + _LONGER
        for child in children:
            if child.process is None:
                continue
            child.process.join(timeout=max(0.0, end - time.monotonic()))
            if child.process.exitcode is None:
                log.error("%s does not end; killed", child.name)
                child.process.kill()

    def _end(self) -> None:
        log.info("draining: running calls finish, new ones go elsewhere")
        self._draining = True
        if self._floods is not None:
            self._floods.stop()
        running = [child for child in self._children if child.process is not None]
        for child in running:
            child.process.terminate()
        self._wait_gone(running)
        self._pages.stop()
        self._reserved.close()
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
