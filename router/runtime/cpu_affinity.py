"""CPU affinity: the threads that answer a worker's lookups stay on one core.

Threads on one core hand work over without wake-ups across cores, and in batches: the same calls cost a quarter less
CPU time (measured in docs/performance.md). Two services pinned to one core would share it while another core is idle,
so each core is claimed first.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

from router.runtime.available_cpus import cpu_limit

log = logging.getLogger(__name__)

_CLAIM = "\0did-router/cpu/{core}"
"""Name of an abstract Unix socket: the kernel frees it when its process ends."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PID namespace outside of containers: the kernel's PROC_PID_INIT_INO, which systemd relies on, too."""


class ClaimedCores:
    """Cores that this process has claimed, so that no other did-router of the machine is pinned to them.

    A claim is visible only inside its container, and its network namespace.

    Args:
        count: the most cores to claim.
    """

    def __init__(self, count: int) -> None:
        self._claims: dict[int, socket.socket] = {}
        for core in _allowed():
            if len(self._claims) >= count:
                break
            if (claim := _claim(core)) is not None:
                self._claims[core] = claim

    def core(self, index: int) -> int | None:
        """Return the core of the index-th worker; None for a worker without one, which runs anywhere."""
        cores = list(self._claims)
        return cores[index] if index < len(cores) else None

    def release(self) -> None:
        """Release all claims."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()


def may_pin() -> bool:
    """Return whether every process that could use the same cores sees the claims.

    Outside of containers that is so. A container may share its cpuset with other containers. The cpuset is exclusive
    where the CPU limit is as large, as Kubernetes' static CPU manager assigns it.
    """
    try:
        if os.readlink("/proc/self/ns/pid") == _INITIAL_PID_NAMESPACE and not _has_own_network():
            return True
    except OSError:
        return False
    return cpu_limit() == len(_allowed())


def _has_own_network() -> bool:
    """Return whether this process is in another network namespace than PID 1: claims are names in such a namespace.

    Each namespace has files of its own under /proc/…/net, which all users may see, unlike PID 1's /proc/1/ns/net.
    Where PID 1 is hidden (ProtectProc=invisible), the answer is no: a service with a network of its own is rare there.
    """
    try:
        return not os.path.samestat(os.stat("/proc/1/net/dev"), os.stat("/proc/self/net/dev"))
    except OSError:
        return False


@contextlib.contextmanager
def pinned_to(core: int | None) -> Iterator[None]:
    """Pin the calling thread, and the threads it starts meanwhile, to a core; do nothing for None.

    Pinning only saves time. Where it is refused (a container forbids it, or the core was taken away), the thread stays
    unpinned.
    """
    before = set() if core is None else os.sched_getaffinity(0)
    moved = core is not None and _move({core})
    try:
        yield
    finally:
        if moved:
            _move(before)


def unpin_thread() -> None:
    """Let the calling thread use every core of the process: threads inherit the affinity of their creator."""
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
        log.info("pinning a thread failed: cores=%s error=%s", sorted(cores), problem)
        return False
    return True
