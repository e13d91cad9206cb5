"""Waits until the nodes of a CouchDB cluster have brought each other up to date.

A node that was away answers as soon as it is back, from copies that lack what happened meanwhile, until the others
have pushed it there: 26 s in one trial of three nodes on a busy machine. A follower that reconnects may be reading
such copies, so it does not count as caught up before no node has anything left to push.
"""

import logging
import time
from collections.abc import Callable

from router.couch.client import CouchClient
from router.couch.cluster import replication_backlog
from router.couch.errors import CouchError
from router.runtime.background_thread import BackgroundThread

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two requests for the backlog."""
BEGINS_WITHIN, ENDS_WITHIN = 6.0, 120.0
"""Seconds within which nodes begin to push after one came back (CouchDB's `[mem3] sync_delay` is 5 s), and the
longest wait for the end."""
QUIET_ANSWERS = 6
"""Consecutive responses with an empty backlog: work of unknown extent counts as nothing."""
SHORT_GAP = 5.0
"""Seconds without a connection after which a node may have been away; after a shorter gap half of both waits is
enough."""


class ReplicationWait:
    """Asks for the replication backlog after each connect until the cluster is settled.

    Args:
        on_settled: called when the cluster has settled, unless it was settled at once.

    Attributes:
        settled_at: time since when every copy has what happened before the connect, monotonic; None while some copy
            may be behind.
    """

    def __init__(self, client: CouchClient, on_settled: Callable[[], None]) -> None:
        self._client = client
        self._on_settled = on_settled
        self._began = 0.0
        self._share = 1.0
        self.settled_at: float | None = None
        self._thread = BackgroundThread(
            "follower-replication",
            self._run,
            failing="waiting for replication failed",
            interval=None,
            log=log,
            starts_at_once=False,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._thread.stop()

    def begin(self, began: float, gap: float) -> None:
        """Begin to wait after a connect.

        Args:
            began: time of the connect, monotonic.
            gap: seconds since the last sign of the connection before.
        """
        self._share = 1.0 if gap > SHORT_GAP else 0.5
        self._began, self.settled_at = began, None
        self._thread.wake()

    def _run(self) -> None:
        self._wait_settled(self._began)

    def _wait_settled(self, began: float) -> None:
        quiet = 0
        while not self._thread.stopping and began == self._began:
            elapsed = time.monotonic() - began
            backlog = self._backlog(elapsed)
            if backlog is None:
                self._settle(began, began)
                return
            quiet = quiet + 1 if backlog == 0 and elapsed > BEGINS_WITHIN * self._share else 0
            if quiet >= QUIET_ANSWERS * self._share or elapsed > ENDS_WITHIN:
                self._settle(began, time.monotonic())
                return
            self._thread.wait(INTERVAL)

    def _settle(self, began: float, settled_at: float) -> None:
        if settled_at - began > ENDS_WITHIN:
            log.warning("CouchDB's nodes still bring each other up to date: seconds=%.0f", ENDS_WITHIN)
        if began != self._began:
            return
        self.settled_at = settled_at
        if settled_at > began:
            self._on_settled()

    def _backlog(self, elapsed: float) -> int | None:
        """Return the shards that are left to push; None where the backlog can't be known.

        A node that stays silent is frozen: the others can't push to it, and don't know what it has.
        """
        try:
            return replication_backlog(self._client)
        except CouchError:
            return 1 if elapsed < BEGINS_WITHIN * self._share else None
