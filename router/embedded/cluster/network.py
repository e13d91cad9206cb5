"""The state of the cluster's nodes: running, connected, frozen, in maintenance."""

import threading
import time

from router.embedded.couchdb.errors import ApiError

_TIMEOUT_REASON = "The request could not be processed in a reasonable amount of time."


class Network:
    """State of the nodes, changed by faults. Nodes are counted from 0.

    Args:
        count: number of nodes.
        down_after: seconds after which a frozen node counts as dead.
        request_timeout: seconds that a node waits for a silent one.
    """

    def __init__(self, count: int, down_after: float, request_timeout: float) -> None:
        self.count = count
        self.down_after = down_after
        self.request_timeout = request_timeout
        self.lag = [0.0] * count
        self._running = [False] * count
        self._frozen_since: list[float | None] = [None] * count
        self._isolated: set[int] = set()
        self._maintenance: set[int] = set()
        self._changed = threading.Condition()

    @property
    def quorum(self) -> int:
        """The number of copies that are a majority."""
        return self.count // 2 + 1

    def set_running(self, node: int, *, running: bool) -> None:
        """Record that a node has started or died; a dead one is no longer frozen."""
        with self._changed:
            self._running[node] = running
            self._frozen_since[node] = None
            self._changed.notify_all()

    def set_frozen(self, node: int, *, frozen: bool) -> None:
        """Freeze or thaw a node."""
        with self._changed:
            since = self._frozen_since[node]
            self._frozen_since[node] = (since or time.monotonic()) if frozen else None
            self._changed.notify_all()

    def set_isolated(self, node: int, *, isolated: bool) -> None:
        """Cut a node off from all others, or join it to them again."""
        with self._changed:
            (self._isolated.add if isolated else self._isolated.discard)(node)
            self._changed.notify_all()

    def set_maintenance(self, node: int, *, on: bool) -> None:
        """Take a node's copies out of use, or into it again."""
        with self._changed:
            (self._maintenance.add if on else self._maintenance.discard)(node)
            self._changed.notify_all()

    def is_running(self, node: int) -> bool:
        """Return whether a node's process exists."""
        return self._running[node]

    def is_frozen(self, node: int) -> bool:
        """Return whether a node runs and does not answer."""
        return self._frozen_since[node] is not None

    def is_isolated(self, node: int) -> bool:
        """Return whether a node reaches no other."""
        return node in self._isolated

    def in_maintenance(self, node: int) -> bool:
        """Return whether a node's copies are out of use."""
        return node in self._maintenance

    def connected(self, node: int, other: int) -> bool:
        """Return whether `node` takes `other` for alive: it runs, and isn't known to be frozen or cut off."""
        if node == other:
            return True
        if not self._running[other] or node in self._isolated or other in self._isolated:
            return False
        since = self._frozen_since[other]
        return since is None or time.monotonic() - since < self.down_after

    def live(self, node: int) -> list[int]:
        """Return the nodes whose copies `node` would use: connected and not in maintenance, frozen ones too."""
        return [other for other in range(self.count) if self.connected(node, other) and other not in self._maintenance]

    def responsive(self, node: int) -> list[int]:
        """Return those of `live` that answer."""
        return [other for other in self.live(node) if other == node or self._frozen_since[other] is None]

    def await_responsive(self, node: int, others: list[int]) -> None:
        """Wait until none of `others` is silent for `node`: each has thawed, or counts as down.

        Raises:
            ApiError: 500, when that takes longer than a request may.
            ConnectionAbortedError: the waiting node died.
        """
        until = time.monotonic() + self.request_timeout
        with self._changed:
            while any(self.connected(node, other) and self._frozen_since[other] is not None for other in others):
                if not self._running[node]:
                    raise ConnectionAbortedError("the node stops")
                left = until - time.monotonic()
                if left <= 0:
                    raise ApiError(500, "timeout", _TIMEOUT_REASON)
                self._changed.wait(min(left, 0.05))  # a node comes to count as down without any event

    def wait_while_frozen(self, node: int) -> None:
        """Wait while `node` itself is frozen; raises `ConnectionAbortedError` when it dies."""
        if self._frozen_since[node] is None:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._frozen_since[node] is None or not self._running[node])
            if not self._running[node]:
                raise ConnectionAbortedError("the node stops")
