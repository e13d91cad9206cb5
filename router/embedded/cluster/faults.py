"""The faults that a test may inject into an imitated cluster."""

import threading
from typing import Any

from router.embedded.cluster.member import Member
from router.embedded.cluster.selection import Shared
from router.embedded.cluster.sequences import node_name


class Faults:
    """Kills, freezes, isolates and delays nodes, which are counted from 0; raises IndexError for an unknown one."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._network = shared.network
        self._catalog = shared.catalog
        self._replication = shared.replication
        self._members: list[Member] = []
        self._lock = threading.RLock()

    def kill(self, node: int) -> None:
        """End a node: its port is closed, its connections are cut, its buffered events are lost."""
        member = self._members[self._checked(node)]
        with self._lock:
            if not self._network.is_running(node):
                return
            self._network.set_running(node, running=False)
            self._catalog.close(node)
            member.stop()
            self._shared.nodes.pop(node, None)
            self._wake_feeds()

    def start_node(self, node: int) -> None:
        """Start a killed node with its data; the others replicate to it what it missed."""
        member = self._members[self._checked(node)]
        with self._lock:
            if self._network.is_running(node):
                return
            self._network.set_running(node, running=True)
            try:
                member.start()
            except BaseException:
                self._network.set_running(node, running=False)
                raise
            self._replication.resynchronise()

    def freeze(self, node: int) -> None:
        """Make a node silent: its port accepts requests and does not answer them."""
        self._network.set_frozen(self._checked(node), frozen=True)

    def thaw(self, node: int) -> None:
        """Resume a frozen node."""
        self._network.set_frozen(self._checked(node), frozen=False)
        self._heal()

    def isolate(self, node: int) -> None:
        """Cut a node off from the others; clients still reach it."""
        self._network.set_isolated(self._checked(node), isolated=True)
        self._wake_feeds()

    def join(self, node: int) -> None:
        """Reconnect an isolated node with the others."""
        self._network.set_isolated(self._checked(node), isolated=False)
        self._heal()

    def maintenance(self, node: int, *, on: bool = True) -> None:
        """Take a node's copies out of use, or into it again."""
        self._network.set_maintenance(self._checked(node), on=on)
        self._heal()

    def lag(self, node: int, seconds: float) -> None:
        """Delay every write to a node's copies by `seconds`."""
        self._network.lag[self._checked(node)] = seconds

    def split(self, database: str) -> None:
        """Split a database's shards: `_db_updates` reports `deleted`, sequences name new shards, its feeds end."""
        copies = next((one for one in self._catalog.all() if one.name == database and one.databases), None)
        if copies is None:
            raise ValueError(f"there is no database {database}")
        copies.split = True
        copies.epoch += 1
        for node in list(self._shared.nodes.values()):
            node.announcer.note("deleted", database)
            node.announcer.note("updated", database)
        copies.touch()

    def state(self) -> list[dict[str, Any]]:
        """Return each node's name, URL without credentials, and faults."""
        network = self._network
        return [
            {
                "node": node_name(index),
                "url": f"http://127.0.0.1:{member.port}",
                "running": network.is_running(index),
                "frozen": network.is_frozen(index),
                "isolated": network.is_isolated(index),
                "maintenance": network.in_maintenance(index),
                "lag": network.lag[index],
            }
            for index, member in enumerate(self._members)
        ]

    def _checked(self, node: int) -> int:
        if not 0 <= node < len(self._members):
            raise IndexError(f"there are {len(self._members)} nodes, counted from 0")
        return node

    def _heal(self) -> None:
        self._replication.resynchronise()
        self._wake_feeds()

    def _wake_feeds(self) -> None:
        for copies in self._catalog.all():
            copies.touch()
