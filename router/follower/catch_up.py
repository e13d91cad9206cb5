"""Bringing the cache up to one database by reading its changes, from the checkpoint or from the start."""

import logging
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

STUCK_TIMEOUT = 3.0
"""Seconds for one page of changes after a checkpoint. While a node is frozen, CouchDB answers nothing for a minute
where the checkpoint names that node's copy (3.5.0, three nodes); whatever else is asked is answered."""
REPLICATION_TIME = 60.0
YOUNG_AGE = 30.0
"""Seconds of a database's age within which another one of the same start time may have taken its place: the start time
counts whole seconds, and the event that tells may come late."""


@dataclass(frozen=True, slots=True)
class CatchUpResult:
    """What a catching-up found.

    Attributes:
        exists: the database is there.
        changes: rows applied.
        whole: the database was read from the start.
    """

    exists: bool
    changes: int = 0
    whole: bool = False


class CatchUp:
    """Reads changes and applies them until there are none left.

    Args:
        settling: seconds after which what one copy of a database has is in the others, too.
    """

    def __init__(
        self,
        databases: CouchServer,
        writer: CacheStore,
        applier: Applier,
        *,
        page: int,
        settling: float = REPLICATION_TIME,
    ) -> None:
        self._databases = databases
        couch = databases.client
        self._quick = CouchServer(couch.with_timeout(min(couch.timeout, STUCK_TIMEOUT)))
        self._writer = writer
        self._applier = applier
        self._page = page
        self._settling = settling
        self._listing = ListingCatchUp(databases, writer, applier)

    def run(
        self,
        target: FollowedDatabase,
        stop: threading.Event,
        progress: Progress = lambda _: None,
        info: DatabaseInfo | None = None,
        *,
        is_stuck: bool = False,
    ) -> CatchUpResult:
        """Bring the cache up to a database.

        Args:
            is_stuck: its changes could not be had a moment ago.
            info: what the database said of itself before; it is asked where there is none. An older one only makes the
                next sweep look again.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: the checkpoint says how far it came.
        """
        began = time.monotonic()
        try:
            info = info or self._databases.database(target.name).info()
        except NotFoundError:
            self._gone(target)
            return CatchUpResult(exists=False)
        target.observe_copies(info)
        checkpoint = self._writer.checkpoints.get(target.name)
        if self._is_anew(target, checkpoint, info):
            checkpoint = self._begin(target, checkpoint, info)
        target.checkpoint = checkpoint
        target.deletion_reported = False
        whole = not checkpoint.complete
        changes = self._bring_up(target, stop, progress, whole=whole, is_stuck=is_stuck)
        if not stop.is_set():
            self._note(target, info, began)
        return CatchUpResult(exists=True, changes=changes, whole=whole)

    def is_another(self, target: FollowedDatabase, info: DatabaseInfo) -> bool:
        """Whether a database was purged or made anew since its feed was opened."""
        return not _goes_on(target, target.checkpoint, info)

    def confirm(self, target: FollowedDatabase, stop: threading.Event) -> int:
        """Read what its feed has not brought yet; returns how many changes that were.

        Raises:
            ResponseLost: its changes can't be had, as behind a checkpoint that names a frozen node.
            CouchError, redis.RedisError, FencedError, CheckpointConflict: see `run`.
        """
        return self._read(target, stop, lambda _: None, self._quick, loading=False)

    def _bring_up(
        self, target: FollowedDatabase, stop: threading.Event, progress: Progress, *, whole: bool, is_stuck: bool
    ) -> int:
        if whole:
            return self._read(target, stop, progress, self._databases, loading=True)
        if is_stuck:
            return self._listing.run(target, stop, progress)
        try:
            return self._read(target, stop, progress, self._quick, loading=False)
        except ResponseLost as problem:
            log.warning("the changes of %s can't be had (%s); the database is listed instead", target.name, problem)
            return self._listing.run(target, stop, progress)

    def _read(
        self,
        target: FollowedDatabase,
        stop: threading.Event,
        progress: Progress,
        databases: CouchServer,
        *,
        loading: bool,
    ) -> int:
        count = 0
        while not stop.is_set():
            page = self._changes(target, databases)
            self._apply(target, page, loading=loading)
            count += len(page.changes)
            progress(len(page.changes))
            if len(page.changes) < self._page:
                break
        return count

    def _changes(self, target: FollowedDatabase, databases: CouchServer) -> ChangesPage:
        try:
            return databases.database(target.name).changes(target.checkpoint.seq or "0", self._page)
        except BadResponseError:
            if target.checkpoint.seq:
                # A sequence that this server never gave: it isn't the database that we read.
                target.needs_reread = True
            raise

    def _apply(self, target: FollowedDatabase, page: ChangesPage, *, loading: bool) -> None:
        before, rows = target.checkpoint, page.changes
        if target.is_shard:
            target.checkpoint = self._applier.apply(
                target.name, before, rows, seq=page.last_seq, pending=page.pending, loading=loading
            )
        elif rows or page.last_seq != before.seq:
            target.checkpoint = self._applier.apply_documents(
                target.name, before, rows, seq=page.last_seq, pending=page.pending
            )

    def _is_anew(self, target: FollowedDatabase, kept: Checkpoint, info: DatabaseInfo) -> bool:
        return (
            not kept.epoch
            or not _goes_on(target, kept, info)
            or kept.fingerprint != self._applier.shape_of(target.name)
        )

    def _begin(self, target: FollowedDatabase, kept: Checkpoint, info: DatabaseInfo) -> Checkpoint:
        """A new epoch first, so that slow writers of the old one are refused; then the leftovers go."""
        same = _goes_on(target, kept, info)
        is_new = not kept.epoch and not target.checkpoint.epoch
        if target.is_shard and not is_new and not same:
            # Of no life until its leftovers are gone: whoever comes after a crash removes them again.
            self._applier.begin(target.name, instance="", purges=0, shape="")
            self._forget(target.name)
        shape = self._applier.shape_of(target.name)
        begun = self._applier.begin(target.name, instance=info.instance, purges=info.purges, shape=shape)
        if not target.is_shard:
            self._writer.documents.clear(target.name, begun.epoch)
        elif is_new:
            # Only lookups can have kept anything of it (the first sweep saw to what is older).
            self._writer.entries.remove_orphans(target.name)
        if kept.instance_start_time and not same:  # a database that was not there before has none
            log.warning("%s was made anew or purged; its part of the cache is built again", target.name)
        target.needs_reread = False
        return begun

    def _forget(self, database: str) -> None:
        """Remove a database's entries; where somebody else leads by now, what we removed was his."""
        self._writer.entries.remove_databases([database])
        if self._applier.is_fenced(database):
            self._writer.checkpoints.invalidate(database)
            raise FencedError(database)

    def _gone(self, target: FollowedDatabase) -> None:
        """The database does not exist: nor do its numbers, nor its documents."""
        needs_reread, target.needs_reread = target.needs_reread, False
        if target.is_shard:
            self._applier.begin(target.name, instance="", purges=0, shape="")
            self._writer.entries.remove_databases([target.name])
            self._writer.checkpoints.remove(target.name)
            return
        target.checkpoint = self._writer.checkpoints.get(target.name)
        known = target.checkpoint.epoch and not target.checkpoint.instance_start_time and target.checkpoint.complete
        if known and not needs_reread:
            return
        begun = self._applier.begin(target.name, instance="", purges=0, shape="")
        self._writer.documents.clear(target.name, begun.epoch)
        self._writer.checkpoints.mark_complete(target.name, {})
        self._writer.documents.publish_reload(target.name)
        target.checkpoint = replace(begun, complete=True)

    def _note(self, target: FollowedDatabase, info: DatabaseInfo, began: float) -> None:
        copies = target.confirm_copies(info, began - self._settling)
        if target.checkpoint.complete and target.checkpoint.copies == copies:
            return
        first = not target.checkpoint.complete
        self._writer.checkpoints.mark_complete(target.name, copies)
        target.checkpoint = replace(target.checkpoint, complete=True, copies=copies)
        if first and not target.is_shard:
            self._writer.documents.publish_reload(target.name)


def _goes_on(target: FollowedDatabase, kept: Checkpoint, info: DatabaseInfo) -> bool:
    """Whether what is kept is of this life of the database."""
    if target.needs_reread or not kept.matches(info.instance, info.purges):
        return False
    # A shard split is reported as a deletion, too, and is none.
    return not target.deletion_reported or (info.age is not None and info.age > YOUNG_AGE)
