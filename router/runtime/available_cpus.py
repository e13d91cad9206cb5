"""How much of the machine's processors this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ITSELF = Path("/proc/self")
_NO_LIMIT = math.inf


def available_cpus() -> int:
    """Return the number of CPUs that this process may use at a time, at least 1.

    That is its affinity (a cpuset, taskset), or its cgroup's CPU limit, rounded up, where that is less. The machine's
    own number of cores can be many times as much in a container.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cpu_limit()
    return cores if limit is _NO_LIMIT else max(1, min(cores, math.ceil(limit)))


def cpu_limit(process: Path = _ITSELF) -> float:
    """Return the CPU limit of a process's cgroup and of those above it, in CPUs; infinity for none.

    Args:
        process: its folder in /proc.
    """
    return min((limit for folder in _cgroups(process) if (limit := _limit(folder)) > 0), default=_NO_LIMIT)


def _cgroups(process: Path) -> Iterator[Path]:
    """Yield the folders of the cgroup and of all above it, as far as they can be seen."""
    try:
        groups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        mounts = [line.partition(" - ") for line in (process / "mountinfo").read_text().splitlines()]
    except OSError:
        return
    for where, _, what in mounts:
        kind, _, options = what.split(" ", 2)
        mount = Path(where.split()[4])
        for _, controllers, path in groups:
            is_version_2 = kind == "cgroup2" and not controllers
            is_version_1 = kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")
            if is_version_2 or is_version_1:
                inside = PurePosixPath(path).relative_to("/")
                # A container without a cgroup namespace sees its path of the machine, and its own folder mounted.
                yield from (mount / each for each in (inside, *inside.parents))


def _limit(folder: Path) -> float:
    """Read one cgroup's limit in CPUs; 0 for none, or for no cgroup."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period)  # "max", and -1 of version 1, are no limit
    except (OSError, ValueError, ZeroDivisionError):
        return 0.0
