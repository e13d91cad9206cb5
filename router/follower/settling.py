"""Whether the nodes of a CouchDB cluster have brought each other up to date.

A node that was away answers at once when it is back, from copies that lack what happened meanwhile, until the others
have pushed it there: 26 s in one trial of three nodes on a busy machine. A follower that begins to listen again may
be reading such copies, so it vouches for nothing before no node has anything to push any more.
"""

import logging
import threading
import time
from collections.abc import Callable

from router.couch.client import Couch
from router.couch.cluster import replication_backlog
from router.couch.errors import CouchError

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two questions."""
BEGINS_WITHIN, ENDS_WITHIN = 3.0, 120.0
"""Seconds that nodes have to begin with it after one came back, and that are waited for its end."""
_QUIET_ANSWERS = 2
"""Answers in a row that nothing is left to push."""


class Settling:
    """Asks, after each connection, until the cluster is settled.

    Args:
        on_settled: called when it was not at once, and is now.

    Attributes:
        settled_at: since when every copy has what happened before the connection began, monotonic; None while some
            may be behind.
    """

    def __init__(self, couch: Couch, on_settled: Callable[[], None]) -> None:
        self._couch = couch
        self._on_settled = on_settled
        self._began = 0.0
        self._begin = threading.Event()
        self._stop = threading.Event()
        self.settled_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="follower-settling", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self._begin.set()

    def begin(self, began: float) -> None:
        """Note that a connection began (monotonic): copies may be behind from here on."""
        self._began, self.settled_at = began, None
        self._begin.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._begin.wait()
            self._begin.clear()
            self._wait_settled(self._began)

    def _wait_settled(self, began: float) -> None:
        quiet = 0
        while not self._stop.is_set() and began == self._began:
            backlog, elapsed = self._backlog(), time.monotonic() - began
            if backlog is None:
                self.settled_at = began
                return
            quiet = quiet + 1 if backlog == 0 and elapsed > BEGINS_WITHIN else 0
            if quiet >= _QUIET_ANSWERS or elapsed > ENDS_WITHIN:
                self._settle(began)
                return
            self._begin.wait(INTERVAL)

    def _settle(self, began: float) -> None:
        now = time.monotonic()
        if now - began > ENDS_WITHIN:
            log.warning("CouchDB's nodes are still bringing each other up to date after %.0f s", now - began)
        if began == self._began:
            self.settled_at = now
            self._on_settled()

    def _backlog(self) -> int | None:
        """Return what is left to push; a node that does not answer may have yet to say what it lacks."""
        try:
            return replication_backlog(self._couch)
        except CouchError:
            return 1
