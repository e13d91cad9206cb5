"""A core for each worker: the threads on the way of a hit stay on one.

What a thread hands to another on the same core needs no wake-up across cores, and is handed on in batches: the
same calls cost a quarter less CPU time (docs/performance.md has the measurement). Two services that keep to the same
core would share it while another one is idle, so a core is claimed first.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

from router.runtime.available_cpus import cpu_limit

log = logging.getLogger(__name__)

_CLAIM = "\0did-router/cpu/{core}"
"""Name of an abstract Unix socket: the kernel frees it with the process that holds it, whoever's it is."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""Outside of containers; the kernel's PROC_PID_INIT_INO, which systemd relies on as well."""


class ClaimedCores:
    """Cores that this process claimed for itself, and no other did-router of the machine keeps to.

    Claims can't be seen from one container to another.

    Args:
        count: how many are wanted.
    """

    def __init__(self, count: int) -> None:
        self._held: dict[int, socket.socket] = {}
        for core in _allowed():
            if len(self._held) >= count:
                break
            if (claim := _claim(core)) is not None:
                self._held[core] = claim

    def core(self, index: int) -> int | None:
        """Return the core for the index-th worker; None where there is none for it: it runs anywhere."""
        cores = list(self._held)
        return cores[index] if index < len(cores) else None

    def release(self) -> None:
        """Leave them to others."""
        for claim in self._held.values():
            claim.close()
        self._held.clear()


def may_pin() -> bool:
    """Return whether cores claimed here are safe from processes that can't see the claims.

    Outside of containers they are. A container's cpuset may be shared with other containers; it is its own where its
    CPU limit is as large, as Kubernetes' static CPU manager gives it.
    """
    try:
        if os.readlink("/proc/self/ns/pid") == _INITIAL_PID_NAMESPACE:
            return True
    except OSError:
        return False
    return cpu_limit() == len(_allowed())


@contextlib.contextmanager
def pinned_to(core: int | None) -> Iterator[None]:
    """Keep the calling thread, and those it starts meanwhile, on a core; nothing for None.

    It only saves time, so where it may not be (a container's rules forbid it, or took the core away) nothing is kept.
    """
    before = set() if core is None else os.sched_getaffinity(0)
    moved = core is not None and _move({core})
    try:
        yield
    finally:
        if moved:
            _move(before)


def unpin_thread() -> None:
    """Let the calling thread run where the process may: one that a thread on a core of its own started stays there."""
    if hasattr(os, "sched_getaffinity"):
        _move(os.sched_getaffinity(os.getpid()))


def _allowed() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _claim(core: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(_CLAIM.format(core=core))
    except OSError:
        claim.close()
        return None
    return claim


def _move(cores: set[int]) -> bool:
    try:
        os.sched_setaffinity(0, cores)
    except OSError as problem:
        log.info("a thread can't be kept on cores %s: %s", sorted(cores), problem)
        return False
    return True
