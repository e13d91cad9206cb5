"""A worker and a supervisor that are away for seconds before they are there again."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.harness import Harness, meanwhile

_POLL_INTERVAL = 0.05
_INTO_ITS_START = 0.6
"""Seconds at most after which a worker that starts is frozen: anywhere from its first import to its first call."""
_FROZEN = (0.5, 1.5)
_AWAY = (2.0, 3.0)
_INTO_THE_SUPERVISORS = 1.5


def send(process: int, which: signal.Signals) -> None:
    """Signal a process, if it still is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, which)


@contextmanager
def worker_slow(harness: Harness) -> Iterator[None]:
    """One is killed; each that the supervisor starts in its place is frozen while it starts, and killed, too."""
    service, chance = harness.deployment.service, harness.chance
    there = set(service.workers())
    send(chance.choice(sorted(there)), signal.SIGKILL)

    def hold_back(over: threading.Event) -> None:
        while not over.wait(_POLL_INTERVAL):
            for fresh in set(service.workers()) - there:
                over.wait(chance.uniform(0.0, _INTO_ITS_START))
                send(fresh, signal.SIGSTOP)
                dies = not over.wait(chance.uniform(*_FROZEN))
                send(fresh, signal.SIGKILL if dies else signal.SIGCONT)

    with meanwhile(hold_back):
        yield


@contextmanager
def supervisor_slow(harness: Harness) -> Iterator[None]:
    """Kill the supervisor, start it again after seconds, and freeze it while it starts."""
    service, chance = harness.deployment.service, harness.chance
    service.kill()

    def start_slowly(over: threading.Event) -> None:
        over.wait(chance.uniform(*_AWAY))
        service.start()
        over.wait(chance.uniform(0.0, _INTO_THE_SUPERVISORS))
        service.freeze()

    with meanwhile(start_slowly):
        yield
    service.thaw()
    service.wait_listening()
