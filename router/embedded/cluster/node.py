"""A node as coordinator: it answers a request from the copies of all nodes that it hears."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from router.embedded.cluster.catalog import Catalog
from router.embedded.cluster.copies import Copies
from router.embedded.cluster.decisions import Outcomes, agree, decide, is_decided, merge
from router.embedded.cluster.information import information
from router.embedded.cluster.network import Network
from router.embedded.cluster.reader import ClusterReader
from router.embedded.cluster.replication import Replication
from router.embedded.cluster.sequences import RANGES, Mark, node_name, pack, unpack
from router.embedded.couchdb.changes import ChangesReader
from router.embedded.couchdb.databases import Database, Databases
from router.embedded.couchdb.documents import purge, read_leaves, write_drafts
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.errors import ApiError, no_database
from router.embedded.couchdb.node import Node, Written
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.tree import Leaf

_LOCAL_FIRST = 0.7
"""How often a node's own copy answers before the others: about so often on a real cluster of three."""

_BROKEN_END = 0.2
"""How often a feed whose database is deleted ends in a second answer where a chunk should be: seen now and then."""

_OUT_OF_ORDER = 0.1
"""How often a write doesn't reach the own copy first and the others in their order: races at one node come from it."""


@dataclass(slots=True)
class Shared:
    """What all nodes of a cluster have in common. `nodes` are those that run, by their place from 0.

    `late_share` of the writes are answered before the last copy has them, which gets them `late_seconds` later.
    """

    network: Network
    catalog: Catalog
    replication: Replication
    late_share: float
    late_seconds: float
    random: random.Random
    nodes: dict[int, "ClusterNode"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterNode(Node):
    """One node of a cluster; `index` is its place, from 0."""

    index: int = field(kw_only=True)
    shared: Shared = field(kw_only=True)

    @property
    def in_maintenance(self) -> bool:
        """Whether the node's copies are out of use."""
        return self.shared.network.in_maintenance(self.index)

    def hold(self) -> None:
        """Wait while the node is frozen."""
        self.shared.network.hold(self.index)

    def membership(self) -> dict[str, list[str]]:
        """Return the connected nodes, and all."""
        network = self.shared.network
        connected = [node_name(other) for other in range(network.count) if network.connected(self.index, other)]
        return {"all_nodes": connected, "cluster_nodes": [node_name(other) for other in range(network.count)]}

    def create(self, name: str) -> bool:
        """Make a database at every node that is heard."""
        return self.shared.catalog.create(self.index, name)

    def delete(self, name: str) -> bool:
        """Drop a database at every node that is heard."""
        return self.shared.catalog.delete(self.index, name)

    def info(self, database: Database) -> dict[str, Any]:
        """Return the information of one copy for each range."""
        copies = self._copies(database)
        return information(copies, self._pick_each(copies), self.shared.network)

    def copies(self, database: Database) -> Iterable[tuple[Databases, Database]]:
        """Return each copy that answers."""
        copies = self._copies(database)
        nodes = self.shared.nodes
        return [(nodes[one].databases, copies.databases[one]) for one in self._speaking(copies)]

    def leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:
        """Return what `quorum` copies agree on; where they don't agree, all copies' leaves together."""
        copies = self._copies(database)
        wanted = self._quorum(copies, quorum)
        found = self._read(copies, identity, wanted)
        if not agree(found) and wanted > 1:
            found = self._read(copies, identity, self.shared.network.count)
            copies.equal = False
            self.shared.replication.settle(copies, self.shared.late_seconds)  # CouchDB's read repair
        return found[0] if agree(found) else merge(found)

    def all_leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:
        """Return the leaves of `quorum` copies together."""
        copies = self._copies(database)
        return merge(self._read(copies, identity, self._quorum(copies, quorum)))

    def write(self, database: Database, drafts: list[Draft], *, replicated: bool, quorum: int | None = None) -> Written:
        """Apply edits to every copy that answers; each decides by its own revisions."""
        copies = self._copies(database)
        network = self.shared.network
        quorum = network.quorum if quorum is None else max(1, min(quorum, network.count))
        replies: list[Outcomes] = []
        missed: list[int] = []
        began = time.monotonic()
        with copies.writing():
            for one in self._writing_order(copies):
                if is_decided(replies, quorum) and self._may_miss(one):
                    missed.append(one)
                    continue
                self._await_copy(one, began)
                if one in network.live(self.index) and one in copies.databases:
                    replies.append(self._apply(one, copies, drafts, replicated=replicated))
            everywhere = len(replies) == network.count and all(reply == replies[0] for reply in replies)
            copies.equal = copies.equal and everywhere
        if not replies:
            raise _no_progress()
        self.shared.replication.note_write(copies, {one: began + self._lateness(one) for one in missed})
        return decide(replies, quorum)

    def purge(self, database: Database, requests: dict[str, list[Revision]]) -> tuple[dict[str, list[Revision]], bool]:
        """Forget revisions in every copy that answers; the others do so when they are brought up to date."""
        copies = self._copies(database)
        done: dict[str, list[Revision]] = {}
        with copies.writing():
            reached = self._speaking(copies)
            for one in reached:
                node = self.shared.nodes[one]
                forgotten = purge(node.store, copies.databases[one], requests)
                node.announcer.note("updated", copies.name)
                done = done if any(done.values()) else forgotten
            copies.note_purge(requests, set(reached))
        if not reached:
            raise _no_progress()
        copies.touch()
        self.shared.replication.note_write(copies, {})
        return done, len(reached) < self.shared.network.quorum

    def reader(self, database: Database, since: str) -> ChangesReader:
        """Return a reader of the copies that `since` names."""
        copies = self._copies(database)
        if since == "now":
            marks: list[Mark | None] = [
                Mark(one, copies.databases[one].counters.sequence[shard], copies.uuids[one][shard])
                for shard, one in enumerate(self._pick_each(copies))
            ]
        else:
            marks = unpack(since, copies.uuids)
        broken_end = self.shared.random.random() < _BROKEN_END
        return ClusterReader(self, self.shared.nodes, copies, database, marks, broken_end=broken_end)

    def listed_copy(self, database: Database) -> tuple[Store, Database]:
        """Return one copy."""
        copies = self._copies(database)
        one = self.pick(copies)
        return self.shared.nodes[one].store, copies.databases[one]

    def listed_sequence(self, copy: Database) -> str:
        """Return the counters of a copy, without identities."""
        copies = self._copies(copy)
        one = next((one for one, database in copies.databases.items() if database is copy), self.index)
        marks = [(shard, Mark(one, copy.counters.sequence[shard])) for shard in range(RANGES)]
        return pack(marks, split=copies.split)

    def live(self) -> list[int]:
        """Return the nodes whose copies this one would use, frozen ones too."""
        return self.shared.network.live(self.index)

    def await_voice(self, others: list[int]) -> None:
        """Wait until none of `others` is silent; see `Network.await_voice`."""
        self.shared.network.await_voice(self.index, others)

    def pick(self, copies: Copies) -> int:
        """Return the node whose copy answers first: mostly this one's own."""
        speaking = self._speaking(copies)
        if not speaking:
            raise _no_progress()
        if self.index in speaking and self.shared.random.random() < _LOCAL_FIRST:
            return self.index
        return self.shared.random.choice(speaking)

    def _pick_each(self, copies: Copies) -> list[int]:
        """Return a node for each range, mostly the same."""
        first = self.pick(copies)
        return [first, first if self.shared.random.random() < _LOCAL_FIRST else self.pick(copies)]

    def _copies(self, database: Database) -> Copies:
        copies = self.shared.catalog.copies(self.index, database.name)
        if copies is None:
            raise no_database()
        return copies

    def _speaking(self, copies: Copies) -> list[int]:
        return [one for one in self.shared.network.speaking(self.index) if one in copies.databases]

    def _quorum(self, copies: Copies, wanted: int | None) -> int:
        """Return how many copies to read; waits for silent ones where the others are too few."""
        network = self.shared.network
        wanted = network.quorum if wanted is None else max(1, min(wanted, network.count))
        if len(self._speaking(copies)) < wanted:
            network.await_voice(self.index, network.live(self.index))
        return wanted

    def _read(self, copies: Copies, identity: str, number: int) -> list[list[Leaf]]:
        speaking = self._speaking(copies)
        if not speaking:
            raise _no_progress()
        chosen = self.shared.random.sample(speaking, min(number, len(speaking)))
        return [read_leaves(self.shared.nodes[one].store, copies.databases[one], identity) for one in chosen]

    def _writing_order(self, copies: Copies) -> list[int]:
        """Return the nodes in the order in which they take a write: those that are late, then the silent, last."""
        network = self.shared.network
        live = [one for one in network.live(self.index) if one in copies.databases]
        own: int | None = self.index
        if self.shared.random.random() < _OUT_OF_ORDER:
            self.shared.random.shuffle(live)
            own = None
        speaking = set(network.speaking(self.index))
        return sorted(live, key=lambda one: (one not in speaking, network.lag[one], one != own))

    def _may_miss(self, node: int) -> bool:
        network = self.shared.network
        if network.lag[node] or node not in network.speaking(self.index):
            return True
        return self.shared.random.random() < self.shared.late_share

    def _lateness(self, node: int) -> float:
        return self.shared.network.lag[node] or self.shared.late_seconds

    def _await_copy(self, node: int, began: float) -> None:
        network = self.shared.network
        if network.lag[node]:
            time.sleep(max(0.0, began + network.lag[node] - time.monotonic()))
        if node != self.index:
            network.await_voice(self.index, [node])

    def _apply(self, one: int, copies: Copies, drafts: list[Draft], *, replicated: bool) -> Outcomes:
        node = self.shared.nodes[one]
        outcomes = write_drafts(node.store, copies.databases[one], drafts, replicated=replicated)
        if any(outcomes):
            node.announcer.note("updated", copies.name)
            copies.touch()
        return outcomes


def _no_progress() -> ApiError:
    return ApiError(412, "nodedown", "progress not possible")
