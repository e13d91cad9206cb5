"""Catch-up by listing a database, where its changes can't be read.

While a node of a CouchDB cluster is frozen, `_changes` after a sequence that names one of its copies answers nothing
for a minute. The current sequence, listings and documents are answered all the while (3.5.0, docs/couchdb.md). So the
listed ids and revisions are compared with the cache, the documents that differ are read, and the feed goes on from a
sequence that was asked for before. The changes themselves are read later (`router.follower.listed_changes`).
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from router.couch.responses import Change, Latest
from router.couch.server import CouchServer
from router.entries.codec import NEGATIVE, TOMBSTONE, VERSION, unpack, version_of
from router.follower import listed_changes
from router.follower.applier import Applier
from router.follower.followed_database import FollowedDatabase
from router.redis_store.cache_store import CacheStore
from router.runtime.chunked import chunked

LISTED_BATCH_SIZE = 1000
"""Ids listed, or documents read, in one request."""
_COPY_DELAY = 0.2
"""Seconds until the copies that are listed have what another one had at a sequence. A copy was behind a row for up to
18 ms on a healthy cluster of three nodes."""


class ListingCatchUp:
    """Compares databases with the cache, id by id."""

    def __init__(self, couch: CouchServer, cache: CacheStore, applier: Applier) -> None:
        self._couch = couch
        self._cache = cache
        self._applier = applier

    def run(self, database: FollowedDatabase, stop: threading.Event, progress: Callable[[int], None]) -> int:
        """Bring the cache up to a database of which it holds a complete state.

        Returns:
            The number of documents that differed.

        Raises:
            CouchError, redis.RedisError, FencedError, CheckpointConflict: nothing is lost; the checkpoint has not
                moved.
        """
        start = self._couch.database(database.name).current_sequence()
        stop.wait(_COPY_DELAY)
        listed: set[str] = set()
        count = 0
        for page in self._couch.database(database.name).revisions(LISTED_BATCH_SIZE):
            listed |= page.keys()
            count += self._read(database, self._differing(database, page))
            progress(len(page))
            if stop.is_set():
                return count
        for ids in self._vanished(database, listed):
            count += self._read(database, ids)
        self._move(database, start)
        return count

    def _differing(self, database: FollowedDatabase, page: Mapping[str, str]) -> list[str]:
        ids = list(page)
        held = self._applier.held(database.name, ids)
        return [each for each in ids if (held[each] or b"")[:VERSION] != _version(page[each])]

    def _vanished(self, database: FollowedDatabase, listed: set[str]) -> Iterator[list[str]]:
        """Yield the ids in the cache that the database does not list."""
        for ids in self._cached_ids(database):
            unlisted = [each for each in ids if each not in listed]
            held = self._applier.held(database.name, unlisted) if unlisted else {}
            alive = [each for each, value in held.items() if value is not None and not _is_absence(database, value)]
            if alive:
                yield alive

    def _cached_ids(self, database: FollowedDatabase) -> Iterator[list[str]]:
        if not database.is_shard:
            yield self._cache.documents.names(database.name)
            return
        for batch in self._cache.entries.scan(database.name):
            yield [number for _, number in batch]

    def _read(self, database: FollowedDatabase, ids: Sequence[str]) -> int:
        """Read documents and apply them as their changes would have been."""
        for batch in chunked(ids, LISTED_BATCH_SIZE):
            source = self._couch.database(database.name)
            latest = source.get_latest(batch)
            unknown = [name for name, each in latest.items() if not each.revision]
            if unknown:
                # One copy may lack a document that was just created.
                latest |= source.get_latest_of_copies(unknown, every_copy=False)
            changes = [_change(name, each) for name, each in latest.items() if each.revision]
            self._apply(database, changes)
            for name, each in latest.items():
                if not each.revision:
                    self._applier.remove(database.name, database.checkpoint.epoch, name)
        return len(ids)

    def _move(self, database: FollowedDatabase, seq: str) -> None:
        if not database.checkpoint.stuck_seq:
            stuck = database.checkpoint.seq
            self._cache.checkpoints.record_stuck(database.name, stuck)
            database.checkpoint = replace(database.checkpoint, stuck_seq=stuck)
        now = time.monotonic()
        database.listed_at, database.rereads, database.first_reread_at = now, 0, None
        database.reread_at = now + listed_changes.next_interval(database, now)
        self._apply(database, (), seq)

    def _apply(self, database: FollowedDatabase, changes: Sequence[Change], seq: str = "") -> None:
        apply = self._applier.apply if database.is_shard else self._applier.apply_documents
        database.checkpoint = apply(database.name, database.checkpoint, changes, seq=seq)


def _change(name: str, latest: Latest) -> Change:
    return Change("", name, latest.revision, latest.document is None, latest.document)


def _is_absence(database: FollowedDatabase, value: bytes) -> bool:
    if not database.is_shard:
        return value[VERSION:] in {b"", b"D"}
    entry = unpack(value)
    return entry is not None and entry.kind in {TOMBSTONE, NEGATIVE}


def _version(revision: str) -> bytes:
    try:
        return version_of(revision)
    except ValueError:
        return b""
