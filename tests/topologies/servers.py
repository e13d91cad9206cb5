"""Redis in the forms that deployments use: three cluster nodes, or a master with a replica and a sentinel."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import redis

from router.embedded.redis import find_server
from tests.support.waiting import eventually

SLOTS = 16384
HOST = "127.0.0.1"


@contextmanager
def server(folder: Path, port: int, *message: str, host: str = HOST) -> Iterator[int]:
    """One redis-server."""
    own = folder / f"{host}-{port}"
    own.mkdir(exist_ok=True)
    command = [find_server(), *message, "--port", str(port), "--bind", host, "--dir", str(own), "--save", ""]
    with running(command):
        until(lambda: bool(redis.Redis(host, port).ping()))
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
    with Cluster(folder) as nodes:
        yield nodes.url


class Cluster:
    """Three masters, the slots divided among them; all of them run while the block runs, but when stopped.

    Args:
        folder: where they keep what is theirs.
        host: this machine's address on which they are.
        first: the first one's port; 0 for a free one, as the others have.
    """

    def __init__(self, folder: Path, *, host: str = HOST, first: int = 0) -> None:
        self._folder = folder
        self._host = host
        self.port, *others = first or free_port(), free_port(), free_port()
        self._ports = [self.port, *others]
        self._running = ExitStack()
        self.url = f"redis+cluster://{host}:{self.port}"

    def __enter__(self) -> Self:
        try:
            self._launch()
            nodes = self._nodes()
            for index, node in enumerate(nodes):
                node.execute_command("CLUSTER", "ADDSLOTS", *range(index * SLOTS // 3, (index + 1) * SLOTS // 3))
                nodes[0].execute_command("CLUSTER", "MEET", self._host, self._ports[index])
            self._wait_whole()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill every node."""
        self._running.close()

    def start(self) -> None:
        """Start them again: they come back empty, and know each other and their slots."""
        self._launch()
        self._wait_whole()

    def _launch(self) -> None:
        # From Redis 7 on, a node connects to the others from any address of the machine, not from the one it is bound
        # to: the others would take that one for the node's own, unless it announces itself.
        message = ("--cluster-enabled", "yes", "--cluster-announce-ip", self._host, "--appendonly", "no")
        for port in self._ports:
            self._running.enter_context(server(self._folder, port, *message, host=self._host))

    def _wait_whole(self) -> None:
        for node in self._nodes():
            until(partial(_has_all_slots, node))

    def _nodes(self) -> list[Any]:
        return [redis.Redis(self._host, port) for port in self._ports]


@contextmanager
def sentinel(folder: Path, *, master_password: str = "", own_password: str = "", user: str = "") -> Iterator[str]:
    """A master that one sentinel watches.

    Args:
        folder: where both keep what is theirs.
        master_password: of the master; empty for none.
        own_password: of the sentinel itself.
        user: who has that password there; empty for the default user.
    """
    with ExitStack() as stack:
        master = stack.enter_context(server(folder, free_port()))
        port = free_port()
        config = folder / "sentinel.conf"
        lines = [f"sentinel monitor calls 127.0.0.1 {master} 1"]
        if master_password:
            redis.Redis(port=master).config_set("requirepass", master_password)
            lines.append(f'sentinel auth-pass calls "{master_password}"')
        if own_password:
            lines.append(f'user {user} on ">{own_password}" +@all' if user else f'requirepass "{own_password}"')
        if user:
            lines.append("user default off")
        config.write_text("\n".join(lines) + "\n")
        watching = [find_server(), str(config), "--sentinel", "--port", str(port), "--bind", "127.0.0.1"]
        stack.enter_context(running(watching))
        until(lambda: bool(redis.Redis(port=port, username=user or None, password=own_password or None).ping()))
        yield f"redis+sentinel://127.0.0.1:{port}/calls/0"


@contextmanager
def unix(folder: Path) -> Iterator[str]:
    """A Redis on a Unix socket."""
    path = folder / "redis.sock"
    with server(folder, free_port(), "--unixsocket", str(path)):
        yield f"unix://{path}?db=0"


def free_port() -> int:
    # Below the ephemeral range, and so is a cluster's bus, 10,000 above. Tests in other processes look at the same
    # time, so each begins elsewhere.
    for port in range(20_000 + os.getpid() * 61 % 2000, 22_700):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) and port not in _given:
                _given.add(port)
                return port
    raise RuntimeError("no free port")


_given: set[int] = set()


def _has_all_slots(node: Any) -> bool:
    reported = node.execute_command("CLUSTER", "INFO")
    text = reported if isinstance(reported, str) else str(reported)
    return "'cluster_state': 'ok'" in text or "cluster_state:ok" in text


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds in a Redis; its errors count as not yet."""
    eventually(holds, 30.0, passing=(redis.RedisError, OSError))
