"""Bringing the cache up to a database by listing it, where its changes can't be had.

While a node of a CouchDB cluster is frozen, `_changes` behind a sequence that names one of its copies answers nothing
for a minute. The present sequence, listings and documents are answered all the while (3.5.0, docs/couchdb.md). So the
ids and revisions that the database lists are compared with what the cache holds, what differs is read, and the feed
goes on from a sequence that was asked for before.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from router.couch.responses import Change, Latest
from router.couch.server import CouchServer
from router.entries.codec import NEGATIVE, TOMBSTONE, VERSION, unpack, version_of
from router.follower.applier import Applier
from router.follower.followed_database import FollowedDatabase
from router.redis_store.cache_store import CacheStore

log = logging.getLogger(__name__)

LISTED_BATCH_SIZE = 1000
"""Ids listed, or documents read, in one request."""


class ListingCatchUp:
    """Compares databases with the cache, id by id."""

    def __init__(self, databases: CouchServer, writer: CacheStore, applier: Applier) -> None:
        self._databases = databases
        self._writer = writer
        self._applier = applier

    def run(self, target: FollowedDatabase, stop: threading.Event, progress: Callable[[int], None]) -> int:
        """Bring the cache up to a database that it holds already.

        Returns:
            How many documents differed.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: the checkpoint has not moved.
        """
        start = self._databases.database(target.name).current_sequence()
        listed: set[str] = set()
        count = 0
        for page in self._databases.database(target.name).revisions(LISTED_BATCH_SIZE):
            listed |= page.keys()
            count += self._read(target, self._differing(target, page))
            progress(len(page))
            if stop.is_set():
                return count
        for names in self._vanished(target, listed):
            count += self._read(target, names)
        self._move(target, start)
        return count

    def _differing(self, target: FollowedDatabase, page: Mapping[str, str]) -> list[str]:
        names = list(page)
        held = self._applier.held(target.name, names)
        return [name for name in names if (held[name] or b"")[:VERSION] != _version(page[name])]

    def _vanished(self, target: FollowedDatabase, listed: set[str]) -> Iterator[list[str]]:
        """Yield what the cache holds of documents that the database does not list."""
        for names in self._kept(target):
            strangers = [name for name in names if name not in listed]
            held = self._applier.held(target.name, strangers) if strangers else {}
            alive = [name for name, value in held.items() if value is not None and not _is_absence(target, value)]
            if alive:
                yield alive

    def _kept(self, target: FollowedDatabase) -> Iterator[list[str]]:
        if not target.is_shard:
            yield self._writer.documents.names(target.name)
            return
        for batch in self._writer.entries.scan(target.name):
            yield [number for _, number in batch]

    def _read(self, target: FollowedDatabase, names: Sequence[str]) -> int:
        """Read documents and apply what they are now, as their changes would have been."""
        for start in range(0, len(names), LISTED_BATCH_SIZE):
            latest = self._databases.database(target.name).get_latest(names[start : start + LISTED_BATCH_SIZE])
            changes = [_change(name, each) for name, each in latest.items() if each.revision]
            self._apply(target, changes)
            for name, each in latest.items():
                if not each.revision:
                    self._applier.forget(target.name, target.checkpoint.epoch, name)
        return len(names)

    def _apply(self, target: FollowedDatabase, changes: Sequence[Change], seq: str = "") -> None:
        apply = self._applier.apply if target.is_shard else self._applier.apply_documents
        target.checkpoint = apply(target.name, target.checkpoint, changes, seq=seq)

    def _move(self, target: FollowedDatabase, seq: str) -> None:
        self._apply(target, (), seq)


def _change(name: str, latest: Latest) -> Change:
    return Change("", name, latest.revision, latest.document is None, latest.document)


def _is_absence(target: FollowedDatabase, value: bytes) -> bool:
    if not target.is_shard:
        return value[VERSION:] in {b"", b"D"}
    entry = unpack(value)
    return entry is not None and entry.kind in {TOMBSTONE, NEGATIVE}


def _version(revision: str) -> bytes:
    try:
        return version_of(revision)
    except ValueError:
        return b""
