"""Decides changes that look older than the cached value: one of the two is the database's current state.

Mostly a faster writer was there before the feed. But where conflicting revisions are resolved, the winner that is left
can have the lower revision. A cluster gives no quick answer: the change comes from one copy of the database, and
another copy that has not received it yet still reports the cached value. So the change is kept in the checkpoint until
the database is seen to know it.
"""

import heapq
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import redis

from router.couch.errors import CouchError, ResponseLost
from router.couch.leaves import Leaf, winner
from router.entries.codec import NO_VERSION, version_of
from router.runtime.background_thread import BackgroundThread

log = logging.getLogger(__name__)

LOOK_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8, 2.0, 4.0)
"""Seconds before each further look-up. A copy was behind a row for up to 18 ms on a healthy cluster of three nodes."""
QUORUM_READS = 5
"""Look-ups that ask a quorum of copies; later ones ask every copy, which takes long where a node is frozen."""
HUNG_AFTER, HUNG_TIME = 1.0, 10.0
"""Seconds of a look-up of every copy after which it counts as hung, and for which the next ones ask a quorum: a frozen
node must not hold up what the others decide at once."""
RETRY_DELAY = 1.0
"""Seconds before a look-up that failed is repeated."""


class Verdict(Enum):
    """The decision about a change that looked older, by the leaves of its document."""

    KEEP = "keep"
    """The cache is right."""
    REPLACE = "replace"
    """The winner is older than the cached value."""
    UNDECIDED = "undecided"
    """The copies that answered may not have received the change yet."""


def judge(change: bytes, held: bytes, leaves: Sequence[Leaf], *, is_last: bool = False) -> Verdict:
    """Decide between a change and the cached value, by their versions and the leaves that the database has.

    Args:
        change, held: 20-byte versions; the change's is the lower one.
        is_last: every copy has had time to receive the change; the database's current answer decides what is left.
    """
    if not leaves:
        return Verdict.REPLACE if is_last else Verdict.UNDECIDED
    best, known = _version(winner(leaves).revision), _known(leaves)
    if best == change:
        return Verdict.REPLACE
    if change not in known:
        # Only a copy that is away can have sent it; it sends it to the others when it is back.
        return Verdict.KEEP if is_last else Verdict.UNDECIDED
    if best < held:
        return Verdict.REPLACE if is_last or held in known else Verdict.UNDECIDED
    # Where the change is a leaf beside the winner, only a copy that knows of the winner's end can have sent it.
    is_leaf = any(_version(leaf.revision) == change for leaf in leaves)
    return Verdict.UNDECIDED if is_leaf and not is_last else Verdict.KEEP


def _known(leaves: Sequence[Leaf]) -> set[bytes]:
    return {_version(each) for leaf in leaves for each in (leaf.revision, *leaf.ancestors)}


def _version(revision: str) -> bytes:
    try:
        return version_of(revision)
    except ValueError:
        return NO_VERSION


class Recheck(Protocol):
    """Looks changes up, and corrects the cache (see `Applier.recheck`)."""

    def __call__(
        self, database: str, epoch: str, changes: Mapping[str, bytes], *, look: int, every_copy: bool, is_last: bool
    ) -> Mapping[str, bytes]:
        """Return those that are still undecided.

        Raises:
            CouchError, redis.RedisError: they can't be looked up now.
        """


@dataclass(order=True, slots=True)
class _Pending:
    """Changes of one database that are looked up again.

    Attributes:
        retry_at: time of the next look-up, monotonic.
        looks: number of look-ups so far.
    """

    retry_at: float
    database: str = field(compare=False)
    epoch: str = field(compare=False)
    changes: dict[str, bytes] = field(compare=False)
    looks: int = field(compare=False, default=0)


class OlderChanges:
    """Looks undecided changes up again: a few times within seconds, then at each comparison of all databases."""

    def __init__(self, recheck: Recheck) -> None:
        self._recheck = recheck
        self._pending: list[_Pending] = []
        self._tried: dict[tuple[str, str], bytes] = {}
        self._hung_at = -math.inf
        self._lock = threading.Lock()
        self._thread = BackgroundThread(
            "follower-older",
            self._run,
            failing="looking up undecided changes failed",
            interval=None,
            log=log,
            starts_at_once=False,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._thread.stop()

    def add(self, database: str, epoch: str, changes: Mapping[str, bytes]) -> None:
        """Look changes up again soon."""
        self._add(_Pending(time.monotonic() + LOOK_DELAYS[0], database, epoch, dict(changes)))

    def recheck(self, database: str, epoch: str, changes: Mapping[str, bytes]) -> None:
        """Look up the changes of a checkpoint: for the last time where there were several look-ups before."""
        with self._lock:
            waiting = {(each.database, name) for each in self._pending for name in each.changes}
        idle = {name: version for name, version in changes.items() if (database, name) not in waiting}
        tried = {name: version for name, version in idle.items() if self._tried.get((database, name)) == version}
        fresh = {name: version for name, version in idle.items() if name not in tried}
        if tried:
            self._add(_Pending(time.monotonic(), database, epoch, tried, len(LOOK_DELAYS)))
        if fresh:
            self.add(database, epoch, fresh)

    def _add(self, pending: _Pending) -> None:
        with self._lock:
            heapq.heappush(self._pending, pending)
        self._thread.wake()

    def _run(self) -> float | None:
        """Look up all due changes; return the seconds until the next ones are due, None for none."""
        while (pending := self._pop_due()) is not None and not self._thread.stopping:
            try:
                self._look_again(pending)
            except (CouchError, redis.RedisError) as problem:
                log.warning("changes can't be looked up again yet: database=%s error=%s", pending.database, problem)
                pending.retry_at = time.monotonic() + RETRY_DELAY
                self._add(pending)
            except Exception:
                # Undecided changes stay in the checkpoint: the next comparison of all databases finds them.
                log.exception("looking up changes failed: database=%s", pending.database)
        with self._lock:
            return max(0.0, self._pending[0].retry_at - time.monotonic()) if self._pending else None

    def _pop_due(self) -> _Pending | None:
        with self._lock:
            if self._pending and self._pending[0].retry_at <= time.monotonic():
                return heapq.heappop(self._pending)
        return None

    def _look_again(self, pending: _Pending) -> None:
        looks, is_last, answered = pending.looks, pending.looks >= len(LOOK_DELAYS), True
        began = time.monotonic()
        every_copy = looks >= QUORUM_READS and began - self._hung_at > HUNG_TIME
        try:
            undecided = self._recheck(
                pending.database,
                pending.epoch,
                pending.changes,
                look=looks + 1,
                every_copy=every_copy,
                is_last=is_last,
            )
        except ResponseLost:
            if is_last:
                raise
            # Two copies differ while the third is frozen: the next look finds them equal.
            undecided, answered = pending.changes, False
        if every_copy and time.monotonic() - began > HUNG_AFTER:
            self._hung_at = time.monotonic()
        for name in pending.changes:
            self._tried.pop((pending.database, name), None)
        if not undecided:
            return
        if looks + 1 < len(LOOK_DELAYS) or not answered:
            # Nothing is decided for good before copies were heard: the last one of these look-ups is repeated.
            following = min(looks + 1, len(LOOK_DELAYS) - 1)
            retry_at = time.monotonic() + LOOK_DELAYS[following]
            self._add(_Pending(retry_at, pending.database, pending.epoch, dict(undecided), following))
            return
        log.info(
            "%d changes of %s are still older than the cache: they are looked up at the next comparison",
            len(undecided),
            pending.database,
        )
        self._tried |= {(pending.database, name): version for name, version in undecided.items()}
