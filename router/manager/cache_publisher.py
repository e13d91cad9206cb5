"""Publishes committed changes to Redis, so that every lookup on the same Redis gives the new answer at once.

Entries are written with the same versioned writes that lookups use: a newer value in Redis wins, and a database that
was recreated in between is read again. If no follower has noticed the recreation yet, a cached value that looks newer
belongs to the earlier database and is removed. A barrier follows: it ends when no worker's near cache holds the former
answer. While Redis is unavailable the change itself is still committed, and lookups learn of it from the follower.
"""

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from router.entries import codec, entry_builder
from router.entries.codec import VERSION, Entry
from router.manager.read_step import Reader, StoredNumber, map_concurrently
from router.near_cache import barrier
from router.numbers.routes import Policy
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import RedisUnavailableError
from router.redis_store.entry_reader import EntryReader
from router.runtime.chunked import chunked

log = logging.getLogger(__name__)

_FILL_BATCH_SIZE = 200
"""Entries per Redis script call."""
_REDIS_BACKOFF = 1.0
"""Seconds without another attempt after Redis failed to answer."""
_MAX_ATTEMPTS = 3
_REBUILT = -1

CommittedState = Mapping[str, StoredNumber]
"""The numbers of one database as they are stored now, by number."""


class CachePublisher:
    """Writes the manager's changes into the cache. Thread-safe; never raises because of Redis."""

    def __init__(self, writer: CacheStore, reader: Reader, pool: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._cache = EntryReader(writer.redis, writer.keys)
        self._reader = reader
        self._pool = pool
        self._lock = threading.Lock()
        self._unavailable_until = 0.0

    def epochs(self, databases: Collection[str]) -> dict[str, str]:
        """Return the epochs of these databases, or nothing while Redis is unavailable.

        Call it before the databases are read: an entry is only written under the epoch in which its document was read.
        """
        names = list(databases)
        if self._is_unavailable():
            return {}
        try:
            return dict(zip(names, self._writer.checkpoints.epochs(names), strict=True))
        except RedisUnavailableError as problem:
            self._mark_unavailable(problem)
            return {}

    def publish(
        self, epochs: Mapping[str, str], states: Mapping[str, CommittedState], policy: Policy
    ) -> dict[str, list[str]]:
        """Write the entries of committed numbers, then wait until no near cache holds a former answer.

        Args:
            epochs: taken before the databases were read.
            states: what each database holds now, by database.
            policy: the routing policy that entries are built with.

        Returns:
            Number → warnings; numbers without a warning are missing.
        """
        pieces = [(name, epochs.get(name), state) for name, state in states.items()]
        problems: dict[str, list[str]] = {}
        for (_, _, state), problem in zip(
            pieces,
            map_concurrently(self._pool, lambda piece: self._publish_database(*piece, policy), pieces),
            strict=True,
        ):
            if problem:
                problems |= {number: [problem] for number in state}
        problem = self._pass_barrier() if len(problems) < sum(map(len, states.values())) else ""
        if problem:
            for state in states.values():
                for number in state:
                    problems.setdefault(number, [problem])
        return problems

    def _publish_database(self, database: str, epoch: str | None, state: CommittedState, policy: Policy) -> str:
        """Write one database's entries; return a warning, or an empty string."""
        if epoch is None or self._is_unavailable():
            return _REDIS_UNAVAILABLE
        try:
            for _ in range(_MAX_ATTEMPTS):
                entries = _entries(state, policy)
                kept = self._fill(database, epoch, entries)
                if kept == len(entries) or (kept != _REBUILT and not self._remove_former(database, state, entries)):
                    return ""
                # The database was recreated, or a follower opened a new epoch: the documents read may be outdated.
                epoch = self._writer.checkpoints.epoch(database)
                state = self._reader.of_database(database, list(state))
        except RedisUnavailableError as problem:
            self._mark_unavailable(problem)
            return _REDIS_UNAVAILABLE
        return "the cache could not be updated: lookups give the new answer once the follower has written it"

    def _fill(self, database: str, epoch: str, entries: Sequence[tuple[str, Entry]]) -> int:
        """Return how many entries were written or confirmed, or -1 if the database was rebuilt meanwhile."""
        kept = 0
        for batch in chunked(entries, _FILL_BATCH_SIZE):
            count = self._writer.entries.fill(database, epoch, batch)
            if count == _REBUILT:
                return _REBUILT
            kept += count
        return kept

    def _remove_former(self, database: str, state: CommittedState, entries: Sequence[tuple[str, Entry]]) -> bool:
        """Remove cached values that look newer than the document but are none of its revisions; return whether any was.

        Such a value comes from an earlier database of the same name, or from a conflict that was resolved. Removing
        is safe under concurrent writes: a missing entry is read from CouchDB.
        """
        cached = self._cache.entries([number for number, _ in entries])
        newer = [
            number
            for (number, codec), value in zip(entries, cached, strict=True)
            if value is not None and value[:VERSION] > codec.version
        ]
        if not newer:
            return False
        states = self._reader.of_database(database, newer)
        outdated = [number for number in newer if states[number].base == state[number].base]
        for number in outdated:
            self._writer.entries.remove(number)
        return bool(outdated)

    def _pass_barrier(self) -> str:
        try:
            late = barrier.await_all(self._writer.redis, self._writer.keys)
        except RedisUnavailableError as problem:
            self._mark_unavailable(problem)
            return _REDIS_UNAVAILABLE
        if not late:
            return ""
        log.warning("barrier timed out: workers=%d seconds=%.2f", late, barrier.TIMEOUT)
        return f"{late} workers did not confirm in time that they dropped the former answer: they drop it shortly"

    def _is_unavailable(self) -> bool:
        return time.monotonic() < self._unavailable_until

    def _mark_unavailable(self, problem: Exception) -> None:
        with self._lock:
            self._unavailable_until = time.monotonic() + _REDIS_BACKOFF
        log.warning("Redis unavailable, lookups learn of changes from the follower: error=%s", problem)


_REDIS_UNAVAILABLE = (
    "Redis is unavailable: lookups may give the former answer until the follower has written the new one"
)


def _entries(state: CommittedState, policy: Policy) -> list[tuple[str, Entry]]:
    now = int(time.time())
    made = ((number, _entry(stored, policy, now)) for number, stored in state.items())
    return [(number, kept) for number, kept in made if kept is not None]


def _entry(stored: StoredNumber, policy: Policy, now: int) -> Entry | None:
    """Return the entry for a number, or None if its document is unreadable and the cached value must stay."""
    if stored.document is not None:
        return entry_builder.entry_from_document(stored.document, policy, now)
    return codec.tombstone_entry(stored.base, now) if stored.base and stored.problem is None else None
