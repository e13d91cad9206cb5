"""Faults of an edge and its workers while callers ask: each reports what it did."""

import contextlib
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.edge.callers import Callers
from tests.edge.deployment import WORKERS, Instance, Stores, launch
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually


def replace_workers(service: Instance, callers: Callers) -> None:
    """SIGHUP: every worker gives way to a new one."""
    old = set(service.workers)
    service.running.process.lines.clear()
    service.running.process.send(signal.SIGHUP)
    service.running.process.wait_for("all children are replaced", 60)
    callers.wait_for(100)
    assert not old & set(service.workers)


def kill_worker(service: Instance, callers: Callers) -> None:
    """SIGKILL to a worker, and wait until another one is in its place."""
    victim = service.workers[0]
    os.kill(victim, signal.SIGKILL)
    callers.wait_for(100)
    eventually(lambda: len(service.workers) == WORKERS and victim not in service.workers, 30)
    service.wait_whole()


def freeze_worker(service: Instance, callers: Callers) -> None:
    """SIGSTOP to a worker for a second."""
    service.freeze(service.workers[0], 1.0)
    callers.wait_for(100)


def renew_certificate(service: Instance, shared: Stores, callers: Callers) -> None:
    """New files by the same authority; wait until a new connection is shown them."""
    before = service.figure('envoy_sds_update_success{envoy_xds_resource_name="certificate"}')
    assert isinstance(service.authority, CertAuthority)
    service.authority.issue(shared.folder)
    name = 'envoy_sds_update_success{envoy_xds_resource_name="certificate"}'
    eventually(lambda: service.figure(name) > before)
    callers.wait_for(100)


class Polled:
    """Two instances with a worker each on ports that stay, and a caller's list of those whose /readyz says yes."""

    def __init__(self, shared: Stores, *more: str, drain_delay: float, poll: float) -> None:
        self._shared = shared
        self._more = (*more, "--set", f"drain_delay={drain_delay}")
        self._poll = poll
        self._ready: dict[int, bool] = {}
        self.instances: list[Instance] = []
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Polled"]:
        """Both in service."""
        pollers: list[threading.Thread] = []
        try:
            self.instances = [launch(self._shared, *self._more, workers=1) for _ in range(2)]
            self._addresses = [(each.running.target, each.running.admin) for each in self.instances]
            pollers += [threading.Thread(target=self._look, args=(index,)) for index in range(2)]
            for each in pollers:
                each.start()
            yield self
        finally:
            self._stop.set()
            for each in pollers:
                each.join()
            for made in self.instances:
                made.end()

    def ready(self) -> Sequence[int]:
        """The instances that may be asked."""
        return [index for index, well in self._ready.items() if well]

    def restart(self, index: int) -> None:
        """SIGTERM, and the same again on the same ports."""
        assert self.instances[index].running.process.end(signal.SIGTERM, 40) == 0
        target, admin = self._addresses[index]
        self.instances[index] = launch(self._shared, *self._more, "--admin", admin, listen=target, workers=1)
        eventually(lambda: self._ready[index], 30)

    def _look(self, index: int) -> None:
        while not self._stop.is_set():
            self._ready[index] = _is_ready(self._addresses[index][1])
            self._stop.wait(self._poll)


def _is_ready(admin: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{admin}/readyz", timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def wait_settled(seconds: float = 0.2) -> None:
    """Give callers a moment between two faults."""
    time.sleep(seconds)
