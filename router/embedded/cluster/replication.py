"""The internal replication: synchronises copies in the background, one database after the other."""

import time
from collections.abc import Callable, Mapping
from itertools import permutations

from router.embedded.cluster.catalog import Catalog
from router.embedded.cluster.copies import Copies
from router.embedded.cluster.network import Network
from router.embedded.cluster.transfer import transfer_rows
from router.embedded.couchdb.errors import ApiError
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.sequences import Position
from router.runtime.deadline_timer import DeadlineTimer

_CHECKPOINT_SECONDS = 0.5
"""Seconds from a write to its checkpoint at other copies; a reader that changes copies gets these rows again."""


class Replication:
    """Runs scheduled replications in a thread of its own.

    Args:
        network: the state of the nodes.
        catalog: the databases.
        nodes: the running nodes, by index.
        delay: seconds from a difference to its replication; a copy's own lag overrides it.
    """

    def __init__(self, network: Network, catalog: Catalog, nodes: Mapping[int, Node], delay: float) -> None:
        self._network = network
        self._catalog = catalog
        self._nodes = nodes
        self._delay = delay
        self._timer = DeadlineTimer("couchdb-internal-replication")

    def start(self) -> None:
        """Start, with the work that an earlier stop left undone."""
        for copies in self._catalog.all():
            copies.comparison_scheduled = False
        self._timer.start()

    def stop(self) -> None:
        """Stop after the current replication."""
        self._timer.stop()
        self._timer.join(10)
        self._timer = DeadlineTimer("couchdb-internal-replication")

    def note_write(self, copies: Copies, missed: dict[int, float]) -> None:
        """Plan what a write needs: the copies that it missed, each with when it is due (monotonic seconds)."""
        for target, replicate_at in missed.items():
            self._plan_transfer(copies, target, replicate_at)
        self.schedule_comparison(copies, _CHECKPOINT_SECONDS if copies.equal else self._delay)

    def schedule_comparison(self, copies: Copies, delay: float) -> None:
        """Compare the copies of a database in `delay` seconds, unless that is planned already."""
        if not copies.comparison_scheduled:
            copies.comparison_scheduled = True
            self._plan(time.monotonic() + delay, lambda: self._settle(copies))

    def resynchronise(self) -> None:
        """Replicate to nodes that are reachable again what they missed; the list of databases at once."""
        self._catalog.synchronise()
        self._plan(time.monotonic() + self._delay, self._settle_all)

    def _settle_all(self) -> None:
        for copies in self._catalog.all():
            if not copies.equal:
                self.schedule_comparison(copies, 0.0)

    def _settle(self, copies: Copies) -> None:
        copies.comparison_scheduled = False
        if copies.mark_equal_if_synced():
            return
        behind = False
        for source, target in permutations(list(copies.databases), 2):
            if copies.has_all(source, target) or not self._can_transfer(source, target):
                continue
            if self._network.lag[target]:
                self._plan_transfer(copies, target, time.monotonic() + self._network.lag[target])
            else:
                self._transfer(copies, source, target, copies.databases[source].counters.sequence)
            behind = True
        if behind or copies.equal:  # equal, but with a write under way
            self.schedule_comparison(copies, max(self._delay, *self._network.lag) if behind else _CHECKPOINT_SECONDS)

    def _plan_transfer(self, copies: Copies, target: int, replicate_at: float) -> None:
        upto = {one: database.counters.sequence for one, database in list(copies.databases.items()) if one != target}
        self._plan(replicate_at, lambda: self._transfer_all(copies, target, upto))

    def _transfer_all(self, copies: Copies, target: int, upto: dict[int, Position]) -> None:
        for source, position in upto.items():
            self._transfer(copies, source, target, position)

    def _transfer(self, copies: Copies, source: int, target: int, upto: Position) -> None:
        if source in copies.databases and target in copies.databases and self._can_transfer(source, target):
            transfer_rows(self._nodes, copies, source, target, upto)

    def _can_transfer(self, one: int, other: int) -> bool:
        network = self._network
        frozen = network.is_frozen(one) or network.is_frozen(other)
        return not frozen and network.is_running(one) and network.connected(one, other)

    def _plan(self, replicate_at: float, work: Callable[[], None]) -> None:
        self._timer.at(replicate_at, lambda: self._replicate(work))

    def _replicate(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (OSError, KeyError, ApiError):
            # A node died or a database was dropped meanwhile: the rest is compared again.
            self._plan(time.monotonic() + self._delay, self._settle_all)
