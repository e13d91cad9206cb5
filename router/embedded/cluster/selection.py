"""Chooses the copies that a coordinator uses, and their order."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from router.embedded.cluster.catalog import Catalog
from router.embedded.cluster.copies import Copies
from router.embedded.cluster.network import Network
from router.embedded.cluster.replication import Replication
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.errors import ApiError
from router.embedded.couchdb.node import Node

_LOCAL_FIRST = 0.7
"""Share of requests that a node's own copy answers first: about the same on a real cluster of three."""

_OUT_OF_ORDER = 0.1
"""Share of writes that don't reach the own copy first and the others in order: they cause races at one node."""


@dataclass(frozen=True, slots=True)
class Shared:
    """State shared by all nodes of a cluster. `nodes` has the running ones, by index.

    `late_share` of the writes are answered before the last copy has them, which gets them `late_seconds` later.
    """

    network: Network
    catalog: Catalog
    replication: Replication
    nodes: dict[int, Node]
    late_share: float
    late_seconds: float
    random: random.Random


class NoCopyError(ApiError):
    """412: no copy is available: its node died, is in maintenance, or is known to be silent."""

    def __init__(self) -> None:
        super().__init__(412, "nodedown", "progress not possible")


@contextmanager
def while_alive() -> Iterator[None]:
    """Translate the error of a node that stops meanwhile into a `NoCopyError`."""
    try:
        yield
    except ConnectionAbortedError as error:
        raise NoCopyError from error


class Selection:
    """Chooses copies for the node at `index`."""

    def __init__(self, index: int, shared: Shared) -> None:
        self._index = index
        self._shared = shared
        self._network = shared.network
        self._random = shared.random

    @property
    def in_maintenance(self) -> bool:
        """Return whether the node's own copies are out of use."""
        return self._network.in_maintenance(self._index)

    def chance(self, share: float) -> bool:
        """Return True in a random share of calls, from 0 to 1."""
        return self._random.random() < share

    def live(self) -> list[int]:
        """Return the nodes whose copies this one would use, frozen ones too."""
        return self._network.live(self._index)

    def responsive(self, copies: Copies) -> list[int]:
        """Return the nodes whose copies answer."""
        return [one for one in self._network.responsive(self._index) if one in copies.databases]

    def shuffled(self, copies: Copies) -> list[int]:
        """Return the nodes whose copies answer, in any order; raises `NoCopyError` where there is none."""
        responsive = self.responsive(copies)
        if not responsive:
            raise NoCopyError
        return self._random.sample(responsive, len(responsive))

    def pick(self, copies: Copies) -> int:
        """Return the node whose copy answers first: mostly this node."""
        responsive = self.shuffled(copies)
        return self._index if self._index in responsive and self.chance(_LOCAL_FIRST) else responsive[0]

    def pick_each(self, copies: Copies) -> list[int]:
        """Return a node for each range, mostly the same."""
        first = self.pick(copies)
        return [first, first if self.chance(_LOCAL_FIRST) else self.pick(copies)]

    def copy(self, one: int, copies: Copies) -> tuple[Node, Database]:
        """Return a node and its copy; raises `NoCopyError` where it is not available any more."""
        node, database = self._shared.nodes.get(one), copies.databases.get(one)
        if node is None or database is None or one not in self.live():
            raise NoCopyError
        return node, database

    def await_responsive(self, others: list[int]) -> None:
        """Wait until none of `others` is silent; see `Network.await_responsive`."""
        self._network.await_responsive(self._index, others)

    def await_quorum(self, copies: Copies, wanted: int | None) -> int:
        """Return how many copies to read; waits for silent ones where the others are too few."""
        quorum = self.quorum(wanted)
        if len(self.responsive(copies)) < quorum:
            self.await_responsive(self.live())
        return quorum

    def quorum(self, wanted: int | None) -> int:
        """Return the number of copies that a request is for: a majority unless it names another."""
        return self._network.quorum if wanted is None else max(1, min(wanted, self._network.count))

    def writing_order(self, copies: Copies) -> list[int]:
        """Return the nodes in the order in which they take a write; late ones, then silent ones, come last."""
        lag = self._network.lag
        live = [one for one in self.live() if one in copies.databases]
        own: int | None = self._index
        if self.chance(_OUT_OF_ORDER):
            self._random.shuffle(live)
            own = None
        responsive = set(self.responsive(copies))
        return sorted(live, key=lambda one: (one not in responsive, lag[one], one != own))

    def may_miss(self, node: int, copies: Copies) -> bool:
        """Return whether a write that is done already leaves this copy to the internal replication."""
        if self._network.lag[node] or node not in self.responsive(copies):
            return True
        return self.chance(self._shared.late_share)

    def lateness(self, node: int) -> float:
        """Return the seconds after which the internal replication brings a write to a copy."""
        return self._network.lag[node] or self._shared.late_seconds

    def await_copy(self, node: int, began: float) -> None:
        """Wait until a copy takes a write that began then (monotonic seconds).

        Raises:
            NoCopyError: it is silent for longer than a request waits: what the others replied decides.
        """
        if self._network.lag[node]:
            time.sleep(max(0.0, began + self._network.lag[node] - time.monotonic()))
        if node == self._index:
            return
        try:
            self.await_responsive([node])
        except ApiError as error:
            raise NoCopyError from error
