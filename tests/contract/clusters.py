"""An imitated cluster for one test, and helpers that wait for its copies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from router.embedded import EmbeddedCluster
from tests.contract.exchange import Couch, Database

NAME = "numbers/+1415"


class Nodes:
    """One database seen at each node of a cluster."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self._databases = [Database(Couch(url), NAME) for url in cluster.urls]

    def __getitem__(self, node: int) -> Database:
        return self._databases[node]

    def __iter__(self) -> Iterator[Database]:
        return iter(self._databases)

    def restart(self, node: int) -> None:
        self.cluster.start(node)
        self[node].couch.close()

    def since_naming(self, node: int, *, at: int) -> str:
        """A present sequence that names the copies of one node alone."""
        for _ in range(1000):
            since = str(self[at].changes("since=now")["last_seq"])
            if self.cluster.named_nodes(since) == {node}:
                return since
        raise AssertionError("no answer named that node alone")

    def ids(self, node: int, since: str) -> list[str]:
        return sorted(row["id"] for row in self[node].changes(f"since={since}")["results"])

    def close(self) -> None:
        for database in self:
            database.couch.close()


@contextmanager
def cluster_of_three(**options: Any) -> Iterator[Nodes]:
    """A cluster whose chance is fixed, with an empty database; nothing is late unless a test says so."""
    with EmbeddedCluster(**{"late_share": 0, "seed": 1} | options) as cluster:
        nodes = Nodes(cluster)
        nodes[0].create()
        yield nodes
        nodes.close()
