"""The imitated cluster: its nodes' ports, and the faults that a test may inject."""

import random
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from router.embedded.cluster.catalog import Catalog
from router.embedded.cluster.control import ControlEndpoint
from router.embedded.cluster.faults import Faults
from router.embedded.cluster.member import Member
from router.embedded.cluster.network import Network
from router.embedded.cluster.replication import Replication
from router.embedded.cluster.selection import Shared
from router.embedded.cluster.sequences import named_nodes
from router.embedded.couchdb.databases import SYSTEM_NAMES
from router.embedded.couchdb.node import Node, mark_system_databases_made, needs_system_databases
from router.embedded.data_server import DataServer

_LOCK_SECONDS = 300.0


class EmbeddedCluster(Faults, DataServer):
    """A CouchDB cluster on loopback: one port a node, and a copy of every database at every node.

    A node is identified by its index in `urls`, from 0; CouchDB's own name of node 0 is `node1@127.0.0.1`. Faults are
    methods, and requests as well (`router.embedded.cluster.control`): `POST /_imitation/{action}`.

    - `kill(i)` ends a node as `kill -9` does; `start_node(i)` (or `start(i)`) restarts it with its data.
    - `freeze(i)`: its port hangs. The others wait for it, where a sequence names its copies, until `thaw(i)`, or
      until it counts as dead after `down_after` seconds; the other copies serve everything else.
    - `isolate(i)` cuts it off, so that both sides take writes; `join(i)` ends that, and leaves conflicts.
    - `maintenance(i, on=True)`: its `_up` answers 404, and its copies are not used.
    - `lag(i, seconds)`: its copies get every write that much later. A write that needs the copy waits for it.
    - `split(name)`: a shard split, as `_reshard` does it.

    Args:
        nodes: number of nodes.
        ports: a TCP port on 127.0.0.1 for each; 0 or None picks free ones, which this object keeps.
        directory: where the data is kept; None for a temporary directory, which is removed by `close`.
        user: the administrator's name.
        password: the administrator's password.
        lock_seconds: seconds for which five wrong passwords lock the account for an address, at each node.
        down_after: seconds after which a frozen node counts as dead (CouchDB: about 72).
        request_timeout: seconds that a request waits for a frozen node (CouchDB: 60).
        replication_delay: seconds until copies that differ are replicated (CouchDB: a few).
        late_share: share of the writes that are answered before the last copy has them, from 0 to 1.
        late_seconds: seconds until the last copy has them.
        max_write_delay: seconds that events of `_db_updates` are buffered; None is CouchDB's default, 0.5.
        seed: of the random choices: which copy answers, and which is late.
    """

    def __init__(
        self,
        nodes: int = 3,
        ports: list[int] | None = None,
        directory: Path | str | None = None,
        user: str = "admin",
        password: str = "password",  # noqa: S107 - loopback only, and documented
        lock_seconds: float = _LOCK_SECONDS,
        down_after: float = 72.0,
        request_timeout: float = 60.0,
        replication_delay: float = 0.2,
        late_share: float = 0.1,
        late_seconds: float = 0.02,
        max_write_delay: float | None = None,
        seed: int | None = None,
    ) -> None:
        if nodes < 1 or (ports and len(ports) != nodes):
            raise ValueError("a cluster needs at least one node, and a port for each")
        DataServer.__init__(self, directory, "did-router-cluster-")
        network = Network(nodes, down_after, request_timeout)
        catalog = Catalog(network)
        running: dict[int, Node] = {}
        replication = Replication(network, catalog, running, replication_delay)
        rng = random.Random(seed)  # noqa: S311 - which copy answers is no secret
        Faults.__init__(self, Shared(network, catalog, replication, running, late_share, late_seconds, rng))
        control = ControlEndpoint(self).respond
        identity = uuid.uuid4().hex
        self._members = [
            Member(
                index,
                self._shared,
                identity,
                control,
                max_write_delay,
                ports[index] if ports else 0,
                self._directory / f"node{index + 1}",
                (user, password),
                lock_seconds,
            )
            for index in range(nodes)
        ]
        self._credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"

    @property
    def urls(self) -> list[str]:
        """Each node's base URL, with credentials and without a slash at the end."""
        return [member.url for member in self._members]

    @property
    def url(self) -> str:
        """The first node's base URL."""
        return self.urls[0]

    @property
    def joined_url(self) -> str:
        """All nodes in one URL, the addresses with commas between them: `http://user:password@host:1,host:2`."""
        addresses = ",".join(urlsplit(url).netloc.rpartition("@")[2] for url in self.urls)
        return f"http://{self._credentials}@{addresses}"

    @staticmethod
    def named_nodes(sequence: str) -> set[int]:
        """Return the nodes whose copies a sequence names, as places in `urls`."""
        return named_nodes(sequence)

    def start(self, node: int | None = None) -> Self:
        """Start all nodes, or one that was killed.

        Raises:
            OSError: a port is taken, or another process has the data open.
        """
        if node is not None:
            self.start_node(node)
            return self
        self._replication.start()
        try:
            for index in range(len(self._members)):
                self.start_node(index)
        except BaseException:
            self.stop()
            raise
        self._make_system_databases()
        return self

    def stop(self) -> None:
        """End all nodes. The cluster may be started again."""
        self._replication.stop()
        for index in range(len(self._members)):
            self.kill(index)

    def _make_system_databases(self) -> None:
        nodes = list(self._shared.nodes.values())
        if not all(needs_system_databases(node.store) for node in nodes):
            return
        for name in SYSTEM_NAMES:
            nodes[0].create(name)
        for node in nodes:
            mark_system_databases_made(node.store)
