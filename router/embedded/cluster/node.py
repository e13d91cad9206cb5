"""A node of the cluster as coordinator: answers requests from the copies of all nodes that it reaches."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.decisions import Outcomes, agree, are_equal, decide, is_decided, merge
from router.embedded.cluster.information import information
from router.embedded.cluster.reader import ClusterReader
from router.embedded.cluster.selection import NoCopyError, Selection, Shared, while_alive
from router.embedded.cluster.sequences import RANGES, Mark, node_name, pack, unpack
from router.embedded.couchdb.changes import ChangesReader
from router.embedded.couchdb.databases import Database, Databases
from router.embedded.couchdb.documents import purge, read_leaves, write_drafts
from router.embedded.couchdb.drafts import Draft
from router.embedded.couchdb.errors import no_database
from router.embedded.couchdb.node import Node, WriteOutcomes
from router.embedded.couchdb.revisions import Revision
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.tree import Leaf

_BROKEN_END = 0.2
"""Share of feeds that end in a second response in place of a chunk when their database is deleted."""


@dataclass(frozen=True, slots=True)
class ClusterNode(Node):
    """One node of a cluster; `index` counts from 0, and `selection` chooses copies for it."""

    index: int = field(kw_only=True)
    shared: Shared = field(kw_only=True)
    selection: Selection = field(kw_only=True)

    @property
    def in_maintenance(self) -> bool:
        """Return whether the node's copies are out of use."""
        return self.selection.in_maintenance

    def wait_while_frozen(self) -> None:
        """Wait while the node is frozen."""
        self.shared.network.wait_while_frozen(self.index)

    def membership(self) -> dict[str, list[str]]:
        """Return the connected nodes, and all."""
        network = self.shared.network
        connected = [node_name(other) for other in range(network.count) if network.connected(self.index, other)]
        return {"all_nodes": connected, "cluster_nodes": [node_name(other) for other in range(network.count)]}

    def create(self, name: str) -> bool:
        """Create a database at every node that is reachable."""
        return self.shared.catalog.create(self.index, name)

    def delete(self, name: str) -> bool:
        """Drop a database at every node that is reachable."""
        return self.shared.catalog.delete(self.index, name)

    def info(self, database: Database) -> dict[str, Any]:
        """Return the information of one copy for each range."""
        copies = self._copies(database)
        chosen = [(one, self.selection.copy(one, copies)[1]) for one in self.selection.pick_each(copies)]
        return information(copies, chosen, self.shared.network)

    def copies(self, database: Database) -> Iterable[tuple[Databases, Database]]:
        """Return each copy that answers."""
        copies = self._copies(database)
        found = [self.selection.copy(one, copies) for one in self.selection.responsive(copies)]
        return [(node.databases, copy) for node, copy in found]

    def leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:
        """Return the leaves that `quorum` copies agree on; where they don't agree, the leaves of all copies."""
        copies = self._copies(database)
        wanted = self.selection.await_quorum(copies, quorum)
        found = self._read(copies, identity, wanted)
        if agree(found):
            return found[0]
        copies.equal = False
        self.shared.replication.schedule_comparison(copies, self.shared.late_seconds)  # CouchDB's read repair
        return merge(self._read(copies, identity, self.shared.network.count))

    def all_leaves(self, database: Database, identity: str, quorum: int | None = None) -> list[Leaf]:
        """Return the merged leaves of `quorum` copies.

        Where these differ, all copies are read, silent ones too (`fabric_doc_open_revs`).
        """
        copies = self._copies(database)
        found = self._read(copies, identity, self.selection.await_quorum(copies, quorum))
        if not are_equal(found):
            self.selection.await_responsive(self.selection.live())
            found = self._read(copies, identity, self.shared.network.count)
        return merge(found)

    def write(
        self, database: Database, drafts: list[Draft], *, replicated: bool, quorum: int | None = None
    ) -> WriteOutcomes:
        """Apply edits to every copy that answers; each decides by its own revisions."""
        copies = self._copies(database)
        selection = self.selection
        wanted = selection.quorum(quorum)
        replies: list[Outcomes] = []
        missed: dict[int, float] = {}
        began = time.monotonic()
        with copies.writing():
            for one in selection.writing_order(copies):
                if is_decided(replies, wanted) and selection.may_miss(one, copies):
                    missed[one] = began + selection.lateness(one)
                    continue
                with suppress(NoCopyError):
                    selection.await_copy(one, began)
                    replies.append(self._apply(one, copies, drafts, replicated=replicated))
            everywhere = len(replies) == self.shared.network.count and all(reply == replies[0] for reply in replies)
            copies.equal = copies.equal and everywhere
        if not replies:
            raise NoCopyError
        self.shared.replication.note_write(copies, missed)
        return decide(replies, wanted)

    def purge(self, database: Database, requests: dict[str, list[Revision]]) -> tuple[dict[str, list[Revision]], bool]:
        """Remove revisions in every copy that answers; replication removes them in the others."""
        copies = self._copies(database)
        done: dict[str, list[Revision]] = {}
        with copies.writing():
            reached = self.selection.shuffled(copies)
            for one in reached:
                node, copy = self.selection.copy(one, copies)
                forgotten = purge(node.store, copy, requests)
                node.announcer.note("updated", copies.name)
                done = done if any(done.values()) else forgotten
            copies.note_purge(requests, set(reached))
        copies.touch()
        self.shared.replication.note_write(copies, {})
        return done, len(reached) < self.shared.network.quorum

    def reader(self, database: Database, since: str) -> ChangesReader:
        """Return a reader of the copies that `since` names; "now" names the copies that answer first."""
        copies = self._copies(database)
        marks: list[Mark | None] = []
        if since == "now":
            for shard, one in enumerate(self.selection.pick_each(copies)):
                _, copy = self.selection.copy(one, copies)
                marks.append(Mark(one, copy.counters.sequence[shard], copy.uuids[shard]))
        else:
            marks = unpack(since, copies.uuids)
        broken_end = self.selection.chance(_BROKEN_END)
        return ClusterReader(self.selection, self.shared.nodes, copies, database, marks, broken_end=broken_end)

    def listed_copy(self, database: Database) -> tuple[Store, Database]:
        """Return one copy."""
        copies = self._copies(database)
        node, copy = self.selection.copy(self.selection.pick(copies), copies)
        return node.store, copy

    def listed_sequence(self, copy: Database) -> str:
        """Return the counters of a copy, without identities."""
        copies = self._copies(copy)
        one = next((one for one, database in list(copies.databases.items()) if database is copy), self.index)
        marks = [(shard, Mark(one, copy.counters.sequence[shard])) for shard in range(RANGES)]
        return pack(marks, split=copies.split)

    def _copies(self, database: Database) -> Copies:
        copies = self.shared.catalog.copies(self.index, database.name)
        if copies is None:
            raise no_database()
        return copies

    def _read(self, copies: Copies, identity: str, number: int) -> list[list[Leaf]]:
        """Read a document from so many copies, or from all where there are fewer."""
        found: list[list[Leaf]] = []
        for one in self.selection.shuffled(copies):
            with suppress(NoCopyError):
                node, copy = self.selection.copy(one, copies)
                with while_alive():
                    found.append(read_leaves(node.store, copy, identity))
            if len(found) == number:
                break
        if not found:
            raise NoCopyError
        return found

    def _apply(self, one: int, copies: Copies, drafts: list[Draft], *, replicated: bool) -> Outcomes:
        node, copy = self.selection.copy(one, copies)
        with while_alive():
            outcomes = write_drafts(node.store, copy, drafts, replicated=replicated)
        if any(outcomes):
            node.announcer.note("updated", copies.name)
            copies.touch()
        return outcomes
