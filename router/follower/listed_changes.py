"""Reads the changes that a listing stood in for.

A listing is read from other copies than the sequence that the feed goes on from, so it may lack a change that the
sequence is past. The sequence after which the changes could not be read therefore stays in the checkpoint. They are
read as soon as CouchDB answers, and once more when every copy must have what the others took meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from router.couch.errors import ResponseLost
from router.couch.server import CouchServer
from router.follower.applier import Applier
from router.follower.followed_database import FollowedDatabase
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.checkpoints import CheckpointStore

log = logging.getLogger(__name__)

REREAD_INTERVAL = 30.0
"""Seconds between two attempts. Each occupies one of a few workers for STUCK_TIMEOUT (3 s) while a node is frozen."""
FIRST_REREAD_INTERVALS = (2.0, 4.0, 8.0, 16.0)
"""Seconds before the first attempts, which have little patience: CouchDB may only have been slow for a moment, and a
change that the listing lacks is answered by its former account until then."""


def next_interval(database: FollowedDatabase, now: float) -> float:
    """Return the seconds until the next attempt; after a shard split all rows are repeated, so there is no hurry."""
    if database.is_splitting(now) or database.rereads >= len(FIRST_REREAD_INTERVALS):
        return REREAD_INTERVAL
    return min(REREAD_INTERVAL, FIRST_REREAD_INTERVALS[database.rereads])


class ListedChanges:
    """Looks after databases that were listed.

    Args:
        couch: with a short timeout; impatient: with a shorter one, for the first attempts.
        page: rows at a time.
        replication_time: seconds after which a change in one copy of a database is in the others, too.
    """

    def __init__(
        self,
        scheduler: DatabaseScheduler,
        couch: CouchServer,
        impatient: CouchServer,
        checkpoints: CheckpointStore,
        applier: Applier,
        *,
        page: int,
        replication_time: float,
    ) -> None:
        self._scheduler = scheduler
        self._couch = couch
        self._impatient = impatient
        self._checkpoints = checkpoints
        self._applier = applier
        self._page = page
        self._replication_time = replication_time

    def read_due(self, database: FollowedDatabase, between: Callable[[FollowedDatabase], None]) -> None:
        """Read the changes that a listing stood in for, where there are some and an attempt is due.

        Args:
            between: called after each page; applies what the feed has brought meanwhile.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: nothing is lost; it is tried again.
        """
        if not database.checkpoint.stuck_seq:
            return
        now = time.monotonic()
        if now >= database.reread_at:
            couch = self._impatient if database.rereads < len(FIRST_REREAD_INTERVALS) else self._couch
            database.rereads += 1
            database.reread_at, database.reread_scheduled = now + next_interval(database, now), False
            self._try(database, couch, now, between)
        if database.checkpoint.stuck_seq and not database.reread_scheduled:
            database.reread_scheduled = True
            self._scheduler.schedule_after(database, max(0.0, database.reread_at - time.monotonic()))

    def _try(
        self, database: FollowedDatabase, couch: CouchServer, began: float, between: Callable[[FollowedDatabase], None]
    ) -> None:
        stop = self._scheduler.stop
        try:
            self._read(database, couch, stop, between)
        except ResponseLost as problem:
            log.info("the changes of %s that were listed can't be read yet: %s", database.name, problem)
            return
        if stop.is_set():
            return
        if database.first_reread_at is None:
            database.first_reread_at, database.reread_at = began, began + REREAD_INTERVAL
        if began - database.first_reread_at >= self._replication_time:
            self._checkpoints.clear_stuck(database.name)
            database.checkpoint, database.first_reread_at = replace(database.checkpoint, stuck_seq=""), None

    def _read(
        self,
        database: FollowedDatabase,
        couch: CouchServer,
        stop: threading.Event,
        between: Callable[[FollowedDatabase], None],
    ) -> None:
        since = database.checkpoint.stuck_seq
        apply = self._applier.apply if database.is_shard else self._applier.apply_documents
        while not stop.is_set():
            page = couch.database(database.name).changes(since, self._page)
            if page.changes:
                # The checkpoint is past these rows already, and stays where it is.
                database.checkpoint = apply(
                    database.name, database.checkpoint, page.changes, seq=database.checkpoint.seq
                )
            between(database)
            since = page.last_seq
            if len(page.changes) < self._page:
                return
