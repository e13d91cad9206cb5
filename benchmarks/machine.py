"""Describes the machine of a run, as far as it matters to the figures."""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from router.embedded.redis import find_server


def describe() -> dict[str, str | int | float]:
    """Processor, cores, memory, load, and the versions of what takes part."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "grpcio": _package("grpcio"),
        "pygrpc-native": _package("pygrpc-native"),
        "redis-py": _package("redis"),
        "redis": _first_line([find_server(), "--version"]),
        "go": _first_line(["go", "version"]),
        "c++": _first_line(["g++", "--version"]),
        "node": _first_line(["node", "--version"]),
        "commit": _first_line(["git", "describe", "--always", "--dirty"]),
    }


def summary(seen: dict[str, str | int | float]) -> str:
    """In a line."""
    warning = ""
    if float(seen["load_before"]) > 0.5:
        warning = f"; it was busy before the run (load {seen['load_before']}): figures are worse than they could be"
    return (
        f"{seen['processor']}, {seen['cores']} cores, {seen['memory_gb']} GB, {seen['system']}, "
        f"Python {seen['python']}, {seen['redis']}, number database: {seen.get('number_database', 'embedded')}{warning}"
    )


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "not installed"
    lines = done.stdout.splitlines()
    return " ".join(lines[0].split()[:6]) if lines else "unknown"


if __name__ == "__main__":
    sys.stdout.write(summary(describe()) + "\n")
