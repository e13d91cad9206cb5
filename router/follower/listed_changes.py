"""Reads the changes that a listing stood in for.

A listing is read from other copies than the sequence that the feed goes on from, so it may lack a change that the
sequence is past. The sequence after which the changes could not be read therefore stays in the checkpoint. They are
read as soon as CouchDB answers, and once more when every copy must have what the others took meanwhile.

While a node is frozen, every attempt waits in vain. Threads of their own read therefore, and the workers only apply.
"""

import logging
import threading
import time
from dataclasses import replace

from router.couch.errors import CouchError, ResponseLost
from router.couch.server import CouchServer
from router.follower.applier import Applier
from router.follower.followed_database import FollowedDatabase, ListedPage
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.checkpoints import CheckpointStore
from router.runtime.background_thread import BackgroundThread

log = logging.getLogger(__name__)

REREAD_INTERVAL = 30.0
"""Seconds between two attempts. Each occupies one of a few threads for STUCK_TIMEOUT (3 s) while a node is frozen."""
FIRST_REREAD_INTERVALS = (2.0, 4.0, 8.0, 16.0)
"""Seconds before the first attempts, which have little patience: CouchDB may only have been slow for a moment, and a
change that the listing lacks is answered by its former account until then."""
_READERS = 3
"""Databases that are read concurrently."""
_APPLY_TIMEOUT = 30.0
"""Seconds until a page that no worker has applied is given up. It is read again at the next attempt."""

_STOP_INTERVAL = 0.5
"""Seconds between two looks whether the session is over."""


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
        self._lock = threading.Lock()
        self._waiting: dict[str, FollowedDatabase] = {}
        self._reading: dict[str, FollowedDatabase] = {}
        self._threads = [self._reader(number) for number in range(_READERS)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the threads after the request that is under way."""
        for thread in self._threads:
            thread.stop()

    def watch(self, database: FollowedDatabase) -> None:
        """Read the changes that a listing of a database stood in for, when they are due."""
        with self._lock:
            if self._reading.get(database.name) is database:
                return
            self._waiting[database.name] = database
        self._wake()

    def apply(self, database: FollowedDatabase) -> None:
        """Apply the page that was read, where there is one; called by the worker that has the database.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: nothing is lost; it is read again.
        """
        page, database.listed_page = database.listed_page, None
        if page is None:
            return
        try:
            if page.epoch != database.checkpoint.epoch:
                return
            if page.changes:
                apply = self._applier.apply if database.is_shard else self._applier.apply_documents
                # The checkpoint is past these rows already, and stays where it is.
                database.checkpoint = apply(
                    database.name, database.checkpoint, page.changes, seq=database.checkpoint.seq
                )
            if page.is_last:
                self._note_end(database, page)
            page.is_applied = True
        finally:
            page.done.set()

    def _note_end(self, database: FollowedDatabase, page: ListedPage) -> None:
        """Note that everything was read; after a second time that began late enough, nothing is left to read."""
        if page.began < database.listed_at:
            return  # the database was listed again meanwhile
        if database.first_reread_at is None:
            database.first_reread_at, database.reread_at = page.began, page.began + REREAD_INTERVAL
        if page.began - database.first_reread_at >= self._replication_time:
            self._checkpoints.clear_stuck(database.name, database.checkpoint.stuck_seq)
            database.checkpoint, database.first_reread_at = replace(database.checkpoint, stuck_seq=""), None

    def _reader(self, number: int) -> BackgroundThread:
        return BackgroundThread(
            f"follower-listed-{number}",
            self._read_due,
            failing="reading changes that were listed failed",
            interval=None,
            log=log,
            starts_at_once=False,
            expected=(CouchError,),
        )

    def _read_due(self) -> float | None:
        """Read the databases that are due; return the seconds until the next one is, None for none."""
        while not self._scheduler.stop.is_set():
            database, seconds = self._take()
            if database is None:
                return seconds
            try:
                self._attempt(database)
            finally:
                self._put_back(database)
        return None

    def _take(self) -> tuple[FollowedDatabase | None, float | None]:
        with self._lock:
            self._waiting = {name: each for name, each in self._waiting.items() if self._is_stuck(each)}
            free = [each for name, each in self._waiting.items() if name not in self._reading]
            first = min(free, key=lambda each: each.reread_at, default=None)
            if first is None:
                return None, None
            seconds = first.reread_at - time.monotonic()
            if seconds > 0:
                return None, seconds
            self._reading[first.name] = first
            return self._waiting.pop(first.name), None

    def _put_back(self, database: FollowedDatabase) -> None:
        with self._lock:
            self._reading.pop(database.name, None)
            # A database that was recreated meanwhile waits already.
            self._waiting.setdefault(database.name, database)
        self._wake()

    def _is_stuck(self, database: FollowedDatabase) -> bool:
        return bool(database.checkpoint.stuck_seq) and self._scheduler.is_followed(database)

    def _wake(self) -> None:
        for thread in self._threads:
            thread.wake()

    def _attempt(self, database: FollowedDatabase) -> None:
        now = time.monotonic()
        couch = self._impatient if database.rereads < len(FIRST_REREAD_INTERVALS) else self._couch
        database.rereads += 1
        database.reread_at = now + next_interval(database, now)
        try:
            self._read(database, couch, now)
        except ResponseLost as problem:
            log.info("changes behind a listing can't be read yet: database=%s error=%s", database.name, problem)

    def _read(self, database: FollowedDatabase, couch: CouchServer, began: float) -> None:
        epoch, since = database.checkpoint.epoch, database.checkpoint.stuck_seq
        while since and not self._scheduler.stop.is_set():
            changes = couch.database(database.name).changes(since, self._page)
            page = ListedPage(changes.changes, epoch, began, is_last=len(changes.changes) < self._page)
            if not self._hand_over(database, page) or page.is_last:
                return
            since = changes.last_seq

    def _hand_over(self, database: FollowedDatabase, page: ListedPage) -> bool:
        """Let a worker apply a page; return whether it did."""
        with self._scheduler.lock:
            database.listed_page = page
            self._scheduler.schedule(database)
        give_up_at = time.monotonic() + _APPLY_TIMEOUT
        while not page.done.wait(_STOP_INTERVAL):
            if self._scheduler.stop.is_set() or time.monotonic() > give_up_at:
                break
        return page.is_applied
