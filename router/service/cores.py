"""A core for each worker: the threads on the way of a hit stay on one.

What a thread hands to another on the same core needs no wake-up across cores, and is handed on in batches: the
same calls cost a quarter less CPU time (docs/performance.md has the measurement).
"""

import contextlib
import logging
import os
from collections.abc import Iterator

log = logging.getLogger(__name__)


def core_of(index: int) -> int | None:
    """The core for the index-th worker, among those that this process may use; None where there are no such."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[index % len(allowed)]


@contextlib.contextmanager
def staying_on(core: int | None) -> Iterator[None]:
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


def leave_core() -> None:
    """Let the calling thread run where the process may: one that a thread on a core of its own started stays there."""
    if hasattr(os, "sched_getaffinity"):
        _move(os.sched_getaffinity(os.getpid()))


def _move(cores: set[int]) -> bool:
    try:
        os.sched_setaffinity(0, cores)
    except OSError as problem:
        log.info("a thread can't be kept on cores %s: %s", sorted(cores), problem)
        return False
    return True
