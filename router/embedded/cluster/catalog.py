"""The databases that each node of the cluster knows."""

import threading
import time
from dataclasses import dataclass
from itertools import count

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.network import Network
from router.embedded.couchdb.databases import Databases
from router.embedded.couchdb.errors import file_exists


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A node's knowledge of a name: the higher version is newer; no copies means dropped."""

    version: int
    copies: Copies | None


class Catalog:
    """Each node's map from names to databases, synchronised where nodes reach each other."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._maps: list[dict[str, CatalogEntry]] = [{} for _ in range(network.count)]
        self._nodes: dict[int, Databases] = {}
        self._versions = count(1)
        self._lock = threading.RLock()

    def open(self, node: int, databases: Databases) -> None:
        """Register the databases of a node that starts."""
        with self._lock:
            self._nodes[node] = databases
            for name in databases.names():
                database = databases.get(name)
                entry = self._maps[node].get(name)
                copies = self._known(name, database.created, [entry] if entry else [])
                copies.add(node, database)
                if entry is None or entry.copies is not copies:
                    self._maps[node][name] = CatalogEntry(next(self._versions), copies)

    def close(self, node: int) -> None:
        """Remove the copies of a node that dies."""
        with self._lock:
            self._nodes.pop(node, None)
            for entry in self._maps[node].values():
                if entry.copies is not None:
                    entry.copies.databases.pop(node, None)

    def copies(self, node: int, name: str) -> Copies | None:
        """Return the copies of a database that `node` knows."""
        entry = self._maps[node].get(name)
        return entry.copies if entry else None

    def all(self) -> list[Copies]:
        """Return every database that some node knows."""
        with self._lock:
            found = {id(entry.copies): entry.copies for known in self._maps for entry in known.values()}
        return [copies for copies in found.values() if copies is not None]

    def create(self, node: int, name: str) -> bool:
        """Create a database at every node that `node` reaches; raises 400 (name) or 412 (exists).

        Returns:
            Whether those are a majority.
        """
        with self._lock:
            if self._nodes[node].find(name) is not None:
                raise file_exists()
            copies = Copies(name, int(time.time()), self._network.count)
            entry = CatalogEntry(next(self._versions), copies)
            self._install(node, name, entry)
            reached = [other for other in self._reachable(node) if other != node]
            for other in reached:
                self._install(other, name, entry)
            return 1 + len(reached) >= self._network.quorum

    def delete(self, node: int, name: str) -> bool:
        """Drop a database at every node that `node` reaches; raises the 404. Return whether these are a majority."""
        with self._lock:
            self._nodes[node].get(name)
            entry = CatalogEntry(next(self._versions), None)
            reached = self._reachable(node)
            for other in reached:
                self._install(other, name, entry)
            return len(reached) >= self._network.quorum

    def synchronise(self) -> None:
        """Copy newer knowledge between nodes that reach each other."""
        with self._lock:
            for node in list(self._nodes):
                for other in self._reachable(node):
                    for name, entry in list(self._maps[other].items()):
                        known = self._maps[node].get(name)
                        if known is None or known.version < entry.version:
                            self._install(node, name, entry)

    def _reachable(self, node: int) -> list[int]:
        return [
            other
            for other in self._nodes
            if other == node or (self._network.connected(node, other) and not self._network.is_frozen(other))
        ]

    def _install(self, node: int, name: str, entry: CatalogEntry) -> None:
        databases = self._nodes[node]
        known = self._maps[node].get(name)
        if entry.copies is not None and (known is None or known.copies is None):
            databases.create(name, entry.copies.created)
        elif entry.copies is None or (known and known.copies is not entry.copies):
            if databases.find(name) is not None:
                databases.delete(name)
            if known and known.copies:
                known.copies.databases.pop(node, None)
            if entry.copies is not None:
                databases.create(name, entry.copies.created)
        self._maps[node][name] = entry
        if entry.copies is not None:
            entry.copies.add(node, databases.get(name))

    def _known(self, name: str, created: int, own: list[CatalogEntry]) -> Copies:
        for entry in own + [known[name] for known in self._maps if name in known]:
            if entry.copies is not None and entry.copies.created == created:
                return entry.copies
        return Copies(name, created, self._network.count)
