"""The number of CPUs that this process may use: its affinity, and the CPU limit of its cgroup."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ITSELF = Path("/proc/self")
_NO_LIMIT = math.inf


def available_cpus() -> int:
    """Return the number of CPUs that this process may use at a time, at least 1.

    This is its affinity (a cpuset, taskset), or its cgroup's CPU limit, rounded up, where that is less. In a container
    the machine's own number of cores can be many times as large.
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
    """Yield the visible folders of the cgroup and of all cgroups above it."""
    try:
        groups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        mounts = [line.partition(" - ") for line in (process / "mountinfo").read_text().splitlines()]
    except OSError:
        return
    for fields, _, filesystem in mounts:
        kind, _, options = filesystem.split(" ", 2)
        mount = Path(fields.split()[4])
        for _, controllers, path in groups:
            is_version_2 = kind == "cgroup2" and not controllers
            is_version_1 = kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")
            if is_version_2 or is_version_1:
                inside = PurePosixPath(path).relative_to("/")
                # A container without a cgroup namespace sees the machine's path, and mounts its own folder.
                yield from (mount / each for each in (inside, *inside.parents))


def _limit(folder: Path) -> float:
    """Return one cgroup's limit in CPUs; 0 for no limit, or for no cgroup."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period)  # "max", and -1 in version 1, mean no limit
    except (OSError, ValueError, ZeroDivisionError):
        return 0.0
