"""Redis as a master with a replica that three sentinels watch, or as a Cluster of three nodes."""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster

from router.embedded.redis import find_server
from tests.faults.programs import Program
from tests.topologies.servers import SLOTS, free_port, until

SINGLE, SENTINEL, CLUSTER = "single", "sentinel", "cluster"
_SERVICE = "calls"
_DELETED_AFTER, _FAILOVER_WITHIN = 1000, 4000
"""Milliseconds."""
_BETWEEN_KEYS = 0.03
"""Seconds between two keys of a slot that moves."""


class Form(ABC):
    """Several servers that one URL names.

    Attributes:
        programs: the processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.programs: list[Program] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL in the settings."""

    @abstractmethod
    def client(self) -> Any:
        """A client of our own."""

    @abstractmethod
    def start(self) -> None:
        """Start everything and wait until it answers."""

    def _add(self, name: str, port: int, *message: str) -> Program:
        own = self._folder / name
        own.mkdir()
        command = [find_server(), *message, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own)]
        program = Program(command, self._folder / f"{name}.log", port)
        self.programs.append(program)
        return program


class Sentinels(Form):
    """A master, a replica, and three sentinels of which two have to agree.

    Attributes:
        servers: by port.
        watchers: the sentinels, in the order in which the URL names them.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        first, second = free_port(), free_port()
        self.servers = {
            first: self._add("master", first, "--save", ""),
            second: self._add("replica", second, "--save", "", "--replicaof", "127.0.0.1", str(first)),
        }
        self._first = first
        self._ports = [free_port() for _ in range(3)]
        self.watchers = [self._add(f"sentinel-{port}", port) for port in self._ports]

    @property
    def url(self) -> str:
        """All three sentinels."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{_SERVICE}/0"

    def client(self) -> Any:
        """The master of now."""
        return redis.Redis(port=self.master_port(), socket_timeout=2)

    def start(self) -> None:
        """Start the servers, then the sentinels."""
        for server in self.servers.values():
            server.start()
            server.wait_listening()
        until(lambda: redis.Redis(port=self._first).info("replication")["connected_slaves"] == 1)
        for watcher, port in zip(self.watchers, self._ports, strict=True):
            self._configure(watcher, port)
            watcher.start()
            watcher.wait_listening()
        for port in self._ports:
            until(partial(self._knows_all, port))

    def master_port(self) -> int:
        """Return the master's port, as the sentinels report it."""
        for port in self._ports:
            with contextlib.suppress(redis.RedisError, OSError):
                return int(_node(port).execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", _SERVICE)[1])
        raise redis.ConnectionError("no sentinel answers")

    def master(self) -> Program:
        """The server that the sentinels name."""
        return self.servers[self.master_port()]

    def fail_over(self) -> None:
        """Have the sentinels make the replica the master, though the master is well."""
        _node(self._ports[-1]).execute_command("SENTINEL", "FAILOVER", _SERVICE)

    def has_both(self) -> bool:
        """Return whether the master of now has its replica."""
        with contextlib.suppress(redis.RedisError, OSError):
            return bool(self.client().info("replication")["connected_slaves"] == 1)
        return False

    def _configure(self, watcher: Program, port: int) -> None:
        config = self._folder / f"sentinel-{port}.conf"
        lines = (
            f"port {port}",
            f"sentinel monitor {_SERVICE} 127.0.0.1 {self._first} 2",
            f"sentinel down-after-milliseconds {_SERVICE} {_DELETED_AFTER}",
            f"sentinel failover-timeout {_SERVICE} {_FAILOVER_WITHIN}",
        )
        config.write_text("\n".join(lines) + "\n", "utf-8")
        watcher.command = [find_server(), str(config), "--sentinel", "--bind", "127.0.0.1"]

    def _knows_all(self, port: int) -> bool:
        reported = _node(port).execute_command("SENTINEL", "MASTER", _SERVICE)
        result = {
            _text(name): _text(value)
            for name, value in (reported.items() if isinstance(reported, dict) else _pairs(reported))
        }
        return result["num-other-sentinels"] == "2" and result["num-slaves"] == "1"


class Cluster(Form):
    """Three masters, the slots divided among them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = [free_port() for _ in range(3)]
        for port in self._ports:
            self._add(f"node-{port}", port, "--save", "", "--appendonly", "no", "--cluster-enabled", "yes")

    @property
    def url(self) -> str:
        """One of the nodes; it names the others."""
        return f"redis+cluster://127.0.0.1:{self._ports[0]}"

    def client(self) -> Any:
        """All nodes."""
        return RedisCluster(host="127.0.0.1", port=self._ports[0], socket_timeout=2)

    def start(self) -> None:
        """Start the nodes, and divide the slots."""
        for program in self.programs:
            program.start()
            program.wait_listening()
        nodes = self._nodes()
        for index, node in enumerate(nodes):
            node.execute_command("CLUSTER", "ADDSLOTS", *range(index * SLOTS // 3, (index + 1) * SLOTS // 3))
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", self._ports[index])
        for node in nodes:
            until(partial(_is_whole, node))

    def move(self, key: str, *, pause: float = _BETWEEN_KEYS) -> None:
        """Move a key's slot, with all that is in it, to another node: key after key, as a resharding does."""
        nodes = self._nodes()
        slot = int(nodes[0].execute_command("CLUSTER", "KEYSLOT", key))
        names = [_text(node.execute_command("CLUSTER", "MYID")) for node in nodes]
        source = next(at for at, node in enumerate(nodes) if _owns(node, names[at], slot))
        target = (source + 1) % len(nodes)
        nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        nodes[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        while keys := nodes[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            message = ("MIGRATE", "127.0.0.1", self._ports[target], keys[0], 0, 2000)
            nodes[source].execute_command(*message)
            time.sleep(pause)
        for at in (target, source, 3 - source - target):
            nodes[at].execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[target])
        until(lambda: _owns(nodes[target], names[target], slot))

    def is_whole(self) -> bool:
        """Return whether every node says that all slots are served."""
        return all(map(_is_whole, self._nodes()))

    def _nodes(self) -> list[Any]:
        return [_node(port) for port in self._ports]


FORMS: dict[str, Callable[[Path], Form]] = {SENTINEL: Sentinels, CLUSTER: Cluster}


def _node(port: int) -> Any:
    return redis.Redis(port=port, socket_timeout=2)


def _owns(node: Any, name: str, slot: int) -> bool:
    for line in _text(node.execute_command("CLUSTER", "NODES")).splitlines():
        message = line.split()
        if message[0] == name:
            ranges = [part.split("-") for part in message[8:] if not part.startswith("[")]
            return any(int(each[0]) <= slot <= int(each[-1]) for each in ranges)
    return False


def _is_whole(node: Any) -> bool:
    with contextlib.suppress(redis.RedisError, OSError):
        reported = node.execute_command("CLUSTER", "INFO")
        return "cluster_state:ok" in _text(reported) or "'cluster_state': 'ok'" in str(reported)
    return False


def _pairs(flat: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
