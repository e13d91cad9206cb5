"""Redis in the forms that deployments use: three cluster nodes, or a master with a replica and a sentinel."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from router.embedded.redis import find_server

SLOTS = 16384


@contextmanager
def server(folder: Path, port: int, *words: str) -> Iterator[int]:
    """One redis-server."""
    own = folder / str(port)
    own.mkdir()
    command = [find_server(), *words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), "--save", ""]
    with running(command):
        _until(lambda: bool(redis.Redis(port=port).ping()))
        yield port


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Three masters, the slots divided among them."""
    with ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        for port in ports:
            stack.enter_context(server(folder, port, "--cluster-enabled", "yes", "--appendonly", "no"))
        nodes: list[Any] = [redis.Redis(port=port) for port in ports]
        for index, node in enumerate(nodes):
            node.execute_command("CLUSTER", "ADDSLOTS", *range(index * SLOTS // 3, (index + 1) * SLOTS // 3))
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[index])
        for node in nodes:
            _until(lambda node=node: _has_all_slots(node))
        yield f"redis+cluster://127.0.0.1:{ports[0]}"


@contextmanager
def sentinel(folder: Path) -> Iterator[str]:
    """A master that one sentinel watches."""
    with ExitStack() as stack:
        master = stack.enter_context(server(folder, free_port()))
        port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(f"sentinel monitor calls 127.0.0.1 {master} 1\n")
        watching = [find_server(), str(config), "--sentinel", "--port", str(port), "--bind", "127.0.0.1"]
        stack.enter_context(running(watching))
        _until(lambda: bool(redis.Redis(port=port).ping()))
        yield f"redis+sentinel://127.0.0.1:{port}/calls/0"


@contextmanager
def unix(folder: Path) -> Iterator[str]:
    """A Redis on a Unix socket."""
    path = folder / "redis.sock"
    with server(folder, free_port(), "--unixsocket", str(path)):
        yield f"unix://{path}?db=0"


def free_port() -> int:
    # Below the ephemeral range, and so is a cluster's bus, 10,000 above.
    for port in range(20_000 + int(time.monotonic() * 1000) % 2000, 22_700):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) and port not in _given:
                _given.add(port)
                return port
    raise RuntimeError("no free port")


_given: set[int] = set()


def _has_all_slots(node: Any) -> bool:
    told = node.execute_command("CLUSTER", "INFO")
    text = told if isinstance(told, str) else str(told)
    return "'cluster_state': 'ok'" in text or "cluster_state:ok" in text


def _until(holds: object) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if holds():  # type: ignore[operator]
                return
        except redis.RedisError:
            pass
        time.sleep(0.05)
    raise TimeoutError("a Redis did not become ready")
