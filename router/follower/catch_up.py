"""Catch-up: brings the cache up to one database by reading its changes, from the checkpoint or from the start."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from router.couch.errors import BadResponseError, NotFoundError, ResponseLost
from router.couch.responses import ChangesPage, DatabaseInfo
from router.couch.server import CouchServer
from router.follower.applier import Applier, FencedError
from router.follower.followed_database import FollowedDatabase
from router.follower.listing_catch_up import ListingCatchUp
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint

log = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""Called with the number of rows of each page."""
OnPage = Callable[[ChangesPage], None]

STUCK_TIMEOUT = 3.0
"""Seconds for one page of changes after a checkpoint. While a node is frozen, CouchDB answers nothing for a minute
where the checkpoint names that node's copy (3.5.0, three nodes); it answers every other request."""
CONFIRM_TIMEOUT = 1.5
"""Seconds for the few changes that a feed may lack. A check that hangs costs a listing, and no more."""
IMPATIENT_TIMEOUT, IMPATIENT_TIME = 0.75, 30.0
"""A shorter timeout, and the seconds for which it holds, after one database hung: a frozen node has a copy of most
databases, and each of a few workers would wait for one after the other."""
REPLICATION_TIME = 60.0
"""Seconds after which a change in one copy of a database is in the others, too."""
YOUNG_AGE = 30.0
"""Seconds of a database's age within which it may have replaced another one of the same start time: the start time
counts whole seconds, and the event may come late."""


class ChangesRepeated(ResponseLost):
    """The changes are too many to wait for: during a shard split CouchDB sends every row of the shard again."""


@dataclass(frozen=True, slots=True)
class CatchUpResult:
    """Result of a catch-up.

    Attributes:
        exists: the database exists.
        changes: number of rows applied.
        full_read: the database was read from the start.
    """

    exists: bool
    changes: int = 0
    full_read: bool = False


class CatchUp:
    """Reads changes and applies them until there are none left.

    Args:
        page: rows at a time.
        replication_time: seconds after which a change in one copy of a database is in the others, too.

    Attributes:
        quick: the same CouchDB with a short timeout; impatient: with a shorter one.
    """

    def __init__(
        self,
        couch: CouchServer,
        cache: CacheStore,
        applier: Applier,
        *,
        page: int,
        replication_time: float = REPLICATION_TIME,
    ) -> None:
        self._couch = couch
        self.quick = CouchServer(couch.client.with_timeout(min(couch.client.timeout, STUCK_TIMEOUT)))
        self._confirming = CouchServer(couch.client.with_timeout(min(couch.client.timeout, CONFIRM_TIMEOUT)))
        self.impatient = CouchServer(couch.client.with_timeout(min(couch.client.timeout, IMPATIENT_TIMEOUT)))
        self._hung_at = -math.inf
        self._cache = cache
        self._applier = applier
        self._page = page
        self._replication_time = replication_time
        self._listing = ListingCatchUp(couch, cache, applier)

    def run(
        self,
        database: FollowedDatabase,
        stop: threading.Event,
        progress: Progress = lambda _: None,
        info: DatabaseInfo | None = None,
        *,
        is_stuck: bool = False,
    ) -> CatchUpResult:
        """Bring the cache up to a database.

        Args:
            info: an earlier state of the database; None to ask for it. An old one only makes the next sweep look
                again.
            is_stuck: its changes could not be read a moment ago.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: nothing is lost; the checkpoint holds the
                progress.
        """
        began = time.monotonic()
        try:
            info = info or self.info(database.name)
        except NotFoundError:
            self._handle_missing(database)
            return CatchUpResult(exists=False)
        database.observe_copies(info)
        checkpoint = self._cache.checkpoints.get(database.name)
        if self._needs_new_epoch(database, checkpoint, info):
            checkpoint = self._begin_epoch(database, checkpoint, info)
        database.checkpoint = checkpoint
        if database.deletion_reported:
            database.deletion_reported, database.split_at = False, time.monotonic()
        full_read = not checkpoint.complete
        changes = self._read_all(database, stop, progress, full_read=full_read, is_stuck=is_stuck)
        if not stop.is_set():
            self._mark_complete(database, info, began)
        return CatchUpResult(exists=True, changes=changes, full_read=full_read)

    def info(self, name: str) -> DatabaseInfo:
        """Return a database's state; ask again where the first answer does not come soon.

        Raises:
            CouchError: the database does not exist, or CouchDB does not answer.
        """
        try:
            return self.quick.database(name).info()
        except ResponseLost:
            return self._couch.database(name).info()

    def is_another(self, database: FollowedDatabase, info: DatabaseInfo) -> bool:
        """Return whether a database was purged or recreated since its feed was opened."""
        return not _is_same_instance(database, database.checkpoint, info)

    def confirm(self, database: FollowedDatabase, stop: threading.Event, *, is_in_doubt: bool = False) -> set[str]:
        """Read the changes that the database's feed has not brought yet; return their ids.

        Args:
            is_in_doubt: the feed is probably stuck, so there is little patience.

        Raises:
            ResponseLost: the changes can't be read, as after a checkpoint that names a frozen node, or are repeated.
            CouchError, redis.RedisError, FencedError, CheckpointConflict: see `run`.
        """
        ids: set[str] = set()
        couch = self.impatient if is_in_doubt else self._confirming
        self._read_quickly(database, stop, lambda page: ids.update(each.id for each in page.changes), couch)
        return ids

    def _read_all(
        self,
        database: FollowedDatabase,
        stop: threading.Event,
        progress: Progress,
        *,
        full_read: bool,
        is_stuck: bool,
    ) -> int:
        def on_page(page: ChangesPage) -> None:
            progress(len(page.changes))

        if full_read:
            return self._read(database, stop, on_page, self._couch, loading=True)
        if is_stuck:
            return self._listing.run(database, stop, progress)
        try:
            return self._read_quickly(database, stop, on_page, self.quick)
        except ResponseLost as problem:
            log.warning("changes unreadable, the database is listed: database=%s error=%s", database.name, problem)
            return self._listing.run(database, stop, progress)

    def _read_quickly(
        self, database: FollowedDatabase, stop: threading.Event, on_page: OnPage, couch: CouchServer
    ) -> int:
        """Read changes, with little patience where those of any database hung a moment ago."""
        chosen = self.impatient if time.monotonic() - self._hung_at < IMPATIENT_TIME else couch
        try:
            return self._read(database, stop, on_page, chosen, loading=False)
        except ChangesRepeated:
            raise
        except ResponseLost:
            # A slow CouchDB loses impatient requests, too: that must not make every database impatient for good.
            if chosen is not self.impatient:
                self._hung_at = time.monotonic()
            raise

    def _read(
        self,
        database: FollowedDatabase,
        stop: threading.Event,
        on_page: OnPage,
        couch: CouchServer,
        *,
        loading: bool,
    ) -> int:
        count = 0
        while not stop.is_set():
            page = self._changes(database, couch)
            self._apply(database, page, loading=loading)
            count += len(page.changes)
            on_page(page)
            if len(page.changes) < self._page:
                break
            if database.deletion_reported and not loading:
                raise ChangesRepeated(f"{database.name}: reported deleted meanwhile, as by a shard split")
        return count

    def _changes(self, database: FollowedDatabase, couch: CouchServer) -> ChangesPage:
        try:
            return couch.database(database.name).changes(database.checkpoint.seq or "0", self._page)
        except BadResponseError:
            if database.checkpoint.seq:
                # This server never gave that sequence: it isn't the database that was read.
                database.needs_reread = True
            raise

    def _apply(self, database: FollowedDatabase, page: ChangesPage, *, loading: bool) -> None:
        before, rows = database.checkpoint, page.changes
        if database.is_shard:
            database.checkpoint = self._applier.apply(
                database.name, before, rows, seq=page.last_seq, pending=page.pending, loading=loading
            )
        elif rows or page.last_seq != before.seq:
            database.checkpoint = self._applier.apply_documents(
                database.name, before, rows, seq=page.last_seq, pending=page.pending
            )

    def _needs_new_epoch(self, database: FollowedDatabase, stored: Checkpoint, info: DatabaseInfo) -> bool:
        fingerprint = self._applier.fingerprint_of(database.name)
        return not stored.epoch or not _is_same_instance(database, stored, info) or stored.fingerprint != fingerprint

    def _begin_epoch(self, database: FollowedDatabase, stored: Checkpoint, info: DatabaseInfo) -> Checkpoint:
        """Begin an epoch, so that slow writers of the old one are refused; then remove the leftovers."""
        same = _is_same_instance(database, stored, info)
        is_new = not stored.epoch and not database.checkpoint.epoch
        if database.is_shard and not is_new and not same:
            # The epoch names no instance until the leftovers are gone: after a crash the next follower removes them.
            self._applier.begin_epoch(database.name, instance="", purges=0, fingerprint="")
            self._remove_entries(database.name)
        fingerprint = self._applier.fingerprint_of(database.name)
        begun = self._applier.begin_epoch(
            database.name, instance=info.instance, purges=info.purges, fingerprint=fingerprint
        )
        if not database.is_shard:
            self._cache.documents.clear(database.name, begun.epoch)
        elif is_new:
            # Only lookups can have cached anything of it: the first sweep removed what is older.
            self._cache.entries.remove_orphans(database.name)
        if stored.instance_start_time and not same:  # a new database has no start time stored
            log.warning("database recreated or purged, its part of the cache is rebuilt: database=%s", database.name)
        database.needs_reread = False
        return begun

    def _remove_entries(self, name: str) -> None:
        """Remove a database's entries. Where another follower leads by now, those removed were its own."""
        self._cache.entries.remove_databases([name])
        if self._applier.is_fenced(name):
            self._cache.checkpoints.invalidate(name)
            raise FencedError(name)

    def _handle_missing(self, database: FollowedDatabase) -> None:
        """Remove a database that does not exist, with its entries or documents, from the cache."""
        needs_reread, database.needs_reread = database.needs_reread, False
        database.deletion_reported = False
        if database.is_shard:
            self._applier.begin_epoch(database.name, instance="", purges=0, fingerprint="")
            self._cache.entries.remove_databases([database.name])
            self._cache.checkpoints.remove(database.name)
            database.checkpoint = Checkpoint()
            return
        stored = database.checkpoint = self._cache.checkpoints.get(database.name)
        known = stored.epoch and not stored.instance_start_time and stored.complete
        if known and not needs_reread:
            return
        begun = self._applier.begin_epoch(database.name, instance="", purges=0, fingerprint="")
        self._cache.documents.clear(database.name, begun.epoch)
        self._cache.checkpoints.mark_complete(database.name, {})
        self._cache.documents.publish_reload(database.name)
        database.checkpoint = replace(begun, complete=True)

    def _mark_complete(self, database: FollowedDatabase, info: DatabaseInfo, began: float) -> None:
        copies = database.confirm_copies(info, began - self._replication_time)
        if database.checkpoint.complete and database.checkpoint.copies == copies:
            return
        first = not database.checkpoint.complete
        self._cache.checkpoints.mark_complete(database.name, copies)
        database.checkpoint = replace(database.checkpoint, complete=True, copies=copies)
        if first and not database.is_shard:
            self._cache.documents.publish_reload(database.name)


def _is_same_instance(database: FollowedDatabase, stored: Checkpoint, info: DatabaseInfo) -> bool:
    """Return whether the checkpoint was written for this instance of the database, and nothing was purged since."""
    if database.needs_reread or not stored.matches(info.instance, info.purges):
        return False
    # A shard split is reported as a deletion, too, and is none.
    return not database.deletion_reported or (info.age is not None and info.age > YOUNG_AGE)
