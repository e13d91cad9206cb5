"""A core for each worker: the threads on the way of a hit stay on one.

What a thread hands to another on the same core needs no wake-up across cores, and is handed on in batches: the
same calls cost a quarter less CPU time (docs/performance.md has the measurement).
"""

import contextlib
import os
from collections.abc import Iterator


def core_of(index: int) -> int | None:
    """The core for the index-th worker, among those that this process may use; None where there are no such."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[index % len(allowed)]


@contextlib.contextmanager
def staying_on(core: int | None) -> Iterator[None]:
    """Keep the calling thread, and those it starts meanwhile, on a core; nothing for None."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
