"""Bringing the cache up to one database by reading its changes, from the checkpoint or from the start."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from router.cache.writer import CacheWriter, Checkpoint
from router.couch.databases import ChangesPage, DatabaseInfo, Databases
from router.couch.errors import BadAnswer, NotFound
from router.follower.applier import Applier, Fenced
from router.follower.targets import Target

log = logging.getLogger(__name__)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CaughtUp:
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
    """Reads changes and applies them until there are none left."""

    def __init__(self, databases: Databases, writer: CacheWriter, applier: Applier, *, page: int) -> None:
        self._databases = databases
        self._writer = writer
        self._applier = applier
        self._page = page

    def run(
        self,
        target: Target,
        stop: threading.Event,
        progress: Progress = lambda _: None,
        info: DatabaseInfo | None = None,
    ) -> CaughtUp:
        """Bring the cache up to a database.

        Args:
            info: what the database said of itself before; it is asked where there is none. An older one only makes the
                next sweep look again.

        Raises:
            CouchError, redis.RedisError, Fenced, Moved: nothing is lost; the checkpoint says how far it came.
        """
        try:
            info = info or self._databases.info(target.name)
        except NotFound:
            self._gone(target)
            return CaughtUp(exists=False)
        checkpoint = self._writer.checkpoint(target.name)
        if self._is_anew(target, checkpoint, info):
            checkpoint = self._begin(target, checkpoint, info)
        target.checkpoint = checkpoint
        whole = not checkpoint.complete
        changes = self._read(target, stop, progress, loading=whole)
        if not stop.is_set():
            self._note(target, info)
        return CaughtUp(exists=True, changes=changes, whole=whole)

    def _read(self, target: Target, stop: threading.Event, progress: Progress, *, loading: bool) -> int:
        count = 0
        while not stop.is_set():
            page = self._changes(target)
            self._apply(target, page, loading=loading)
            count += len(page.changes)
            progress(len(page.changes))
            if len(page.changes) < self._page:
                break
        return count

    def _changes(self, target: Target) -> ChangesPage:
        try:
            return self._databases.changes(target.name, target.checkpoint.seq or "0", self._page)
        except BadAnswer:
            if target.checkpoint.seq:
                # A sequence that this server never gave: it isn't the database that we read.
                target.suspect = True
            raise

    def _apply(self, target: Target, page: ChangesPage, *, loading: bool) -> None:
        before, rows = target.checkpoint, page.changes
        if target.is_shard:
            target.checkpoint = self._applier.apply(
                target.name, before, rows, seq=page.last_seq, pending=page.pending, loading=loading
            )
        elif rows or page.last_seq != before.seq:
            target.checkpoint = self._applier.apply_documents(
                target.name, before, rows, seq=page.last_seq, pending=page.pending
            )

    def _is_anew(self, target: Target, kept: Checkpoint, info: DatabaseInfo) -> bool:
        return not kept.epoch or not _goes_on(target, kept, info) or kept.shape != self._applier.shape_of(target.name)

    def _begin(self, target: Target, kept: Checkpoint, info: DatabaseInfo) -> Checkpoint:
        """A new epoch first, so that slow writers of the old one are refused; then the leftovers go."""
        same = _goes_on(target, kept, info)
        is_new = not kept.epoch and not target.checkpoint.epoch
        if target.is_shard and not is_new and not same:
            # Of no life until its leftovers are gone: whoever comes after a crash removes them again.
            self._applier.begin(target.name, instance="", purge="", shape="")
            self._forget(target.name)
        shape = self._applier.shape_of(target.name)
        begun = self._applier.begin(target.name, instance=info.instance, purge=info.purge_seq, shape=shape)
        if not target.is_shard:
            self._writer.forget_documents(target.name, begun.epoch)
        elif is_new:
            # Only lookups can have kept anything of it (the first sweep saw to what is older).
            self._writer.forget_strays(target.name)
        if kept.instance and not same:  # a database that was not there before has none
            log.warning("%s was made anew or purged; its part of the cache is built again", target.name)
        target.suspect = False
        return begun

    def _forget(self, database: str) -> None:
        """Remove a database's entries; where somebody else leads by now, what we removed was his."""
        self._writer.forget([database])
        if self._applier.is_fenced(database):
            self._writer.distrust(database)
            raise Fenced(database)

    def _gone(self, target: Target) -> None:
        """The database does not exist: nor do its numbers, nor its documents."""
        suspect, target.suspect = target.suspect, False
        if target.is_shard:
            self._applier.begin(target.name, instance="", purge="", shape="")
            self._writer.forget([target.name])
            self._writer.drop(target.name)
            return
        target.checkpoint = self._writer.checkpoint(target.name)
        known = target.checkpoint.epoch and not target.checkpoint.instance and target.checkpoint.complete
        if known and not suspect:
            return
        begun = self._applier.begin(target.name, instance="", purge="", shape="")
        self._writer.forget_documents(target.name, begun.epoch)
        self._writer.caught_up(target.name, "")
        self._writer.read_again(target.name)
        target.checkpoint = replace(begun, complete=True)

    def _note(self, target: Target, info: DatabaseInfo) -> None:
        if target.checkpoint.complete and target.checkpoint.update_seq == info.update_seq:
            return
        first = not target.checkpoint.complete
        self._writer.caught_up(target.name, info.update_seq)
        target.checkpoint = replace(target.checkpoint, complete=True, update_seq=info.update_seq)
        if first and not target.is_shard:
            self._writer.read_again(target.name)


def _goes_on(target: Target, kept: Checkpoint, info: DatabaseInfo) -> bool:
    """Whether what is kept is of this life of the database."""
    return not target.suspect and kept.is_of(info.instance, info.purge_seq)
