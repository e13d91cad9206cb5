"""A worker: brings the cache up to one database at a time."""

import logging
import threading
import time
from collections.abc import Callable

import redis

from router.couch.errors import CouchError, CouchRefused, ResponseLost
from router.follower.applier import Applier, CheckpointConflict, FencedError
from router.follower.catch_up import CatchUp
from router.follower.changes_feeds import ChangesFeeds
from router.follower.followed_database import FollowedDatabase
from router.follower.listed_changes import ListedChanges
from router.follower.scheduler import DatabaseScheduler
from router.numbers.kazoo_databases import SYSTEM_CONFIG
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)

_REFUSED_BACKOFF = 60.0
"""Seconds until a database is read again after CouchDB refused the credentials."""
_CONFLICT_BACKOFF = 0.05
"""Seconds until a database is read again whose checkpoint another writer moved."""


class DatabaseWorker:
    """Takes databases from the scheduler until the session is over. Threads may share it.

    Args:
        on_config: called when number_manager's configuration may have changed in the cache.
        on_visible: called when changes of a complete database are in Redis, with the seconds since the first of them
            was noticed.
    """

    def __init__(
        self,
        scheduler: DatabaseScheduler,
        applier: Applier,
        catch_up: CatchUp,
        listed_changes: ListedChanges,
        feeds: ChangesFeeds,
        on_config: Callable[[], None],
        on_visible: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._scheduler = scheduler
        self._stop = scheduler.stop
        self._applier = applier
        self._catch_up = catch_up
        self._listed_changes = listed_changes
        self._feeds = feeds
        self._on_config = on_config
        self._on_visible = on_visible

    def run(self, ready: threading.Event) -> None:
        """Work until the session is over.

        Args:
            ready: set after the first sweep. Entries written before would be taken for leftovers.
        """
        ready.wait()
        while not self._stop.is_set():
            database = self._scheduler.next()
            if database is None:
                continue
            try:
                self._work_on(database)
            except Exception:
                # The retry could not be scheduled either. This session would never read the database again.
                log.exception("following failed, a new session begins: database=%s", database.name)
                self._stop.set()
            self._scheduler.done(database)

    def read(self, database: FollowedDatabase, *, is_stuck: bool = False) -> None:
        """Read a database's changes after its checkpoint, and give it a feed where it is busy.

        Args:
            is_stuck: its changes could not be read a moment ago.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: see `CatchUp.run`.
        """
        with self._scheduler.lock:
            had_feed = database.feed is not None
            database.take_over_feed()
        # After a step of a shard split CouchDB may send every row of a shard again; the listing is far shorter.
        result = self._catch_up.run(database, self._stop, is_stuck=is_stuck or database.deletion_reported)
        if not result.exists and database.is_shard:
            self._scheduler.remove(database.name)
            return
        if database.name == SYSTEM_CONFIG:
            self._on_config()
        if result.changes:
            database.last_change_at = time.monotonic()
        busy = (result.changes or had_feed) and not result.full_read
        if result.exists and (busy or not database.is_shard):
            self._feeds.open(database, self._scheduler.databases())

    def _work_on(self, database: FollowedDatabase) -> None:
        """Apply the feed's rows, or read the changes; retry after a back-off where that fails."""
        changed_before, was_complete = database.last_change_at, database.checkpoint.complete
        try:
            if database.feed is not None and not database.needs_reread:
                self._apply_rows(database)
                if self._scheduler.claim_check(database):
                    self._check_feed(database)
            elif database.listed_page is None or database.needs_reread or database.applying_since is not None:
                self.read(database)
            self._listed_changes.apply(database)
            if database.checkpoint.stuck_seq:
                self._listed_changes.watch(database)
            database.failures = 0
            since = database.applying_since
            if was_complete and since is not None and database.last_change_at > changed_before:
                self._on_visible(time.monotonic() - since)
        except FencedError:
            log.warning("another follower took over")
            self._stop.set()
        except CheckpointConflict:
            log.info("another writer moved the checkpoint, changes are read from there: database=%s", database.name)
            self._retry(database, _CONFLICT_BACKOFF)
        except (CouchError, redis.RedisError) as problem:
            database.failures += 1
            wait = _REFUSED_BACKOFF if isinstance(problem, CouchRefused) else RECONNECT.delay(database.failures)
            log.warning("following failed: database=%s again_in=%.1f error=%s", database.name, wait, problem)
            self._retry(database, wait)
        except Exception:
            log.exception("following failed: database=%s", database.name)
            database.failures += 1
            self._retry(database, RECONNECT.delay(database.failures))

    def _retry(self, database: FollowedDatabase, seconds: float) -> None:
        with self._scheduler.lock:
            database.drop_feed()
            database.pending_since = database.applying_since or database.pending_since
        self._scheduler.schedule_later(database, seconds)

    def _check_feed(self, database: FollowedDatabase) -> None:
        """Read a database whose feed is stuck, or that was purged or recreated since its feed was opened."""
        with self._scheduler.lock:
            in_doubt = database.is_feed_in_doubt
            database.check_requested, database.checked_at = False, time.monotonic()
            database.confirming_since, database.unconfirmed_since = database.unconfirmed_since, None
        info = self._catch_up.info(database.name)
        if self._catch_up.is_another(database, info):
            database.needs_reread = True
            self.read(database)
            return
        if database.deletion_reported or database.overtaken:
            # After a shard split a feed may wait for copies that are gone: CouchDB does not end every one.
            self.read(database)
            return
        try:
            changes = self._catch_up.confirm(database, self._stop, is_in_doubt=in_doubt)
        except ResponseLost as problem:
            log.warning("feed is stuck, the database is listed: database=%s error=%s", database.name, problem)
            self.read(database, is_stuck=True)
            return
        with self._scheduler.lock:
            database.confirming_since = None
            database.overtaken = changes - {each.id for each in database.rows}
            if database.overtaken:
                self._scheduler.request_feed_check(database)
        if changes:
            self._note_change(database)

    def _apply_rows(self, database: FollowedDatabase) -> None:
        rows = [database.rows.popleft() for _ in range(len(database.rows))]
        if not rows:
            return
        apply = self._applier.apply if database.is_shard else self._applier.apply_documents
        database.checkpoint = apply(database.name, database.checkpoint, rows)
        self._note_change(database)

    def _note_change(self, database: FollowedDatabase) -> None:
        database.last_change_at = time.monotonic()
        if database.name == SYSTEM_CONFIG:
            self._on_config()
