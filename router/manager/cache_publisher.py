"""Telling the cache what was written, so that a lookup anywhere on the same Redis gives the new answer at once.

The same versioned writes as a lookup's own readings: whatever is newer stands, and a database that was made anew in
between is read again. Where it was made anew and no follower has noticed yet, what looks newer is of its former life.
Then a barrier: no worker's near cache holds the former answer. Where Redis is away the change stands all the same, and
lookups learn of it from the follower, as of any change.
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

log = logging.getLogger(__name__)

_FILL_BATCH_SIZE = 200
"""Entries written in one step of Redis."""
_REDIS_BACKOFF = 1.0
"""Seconds that Redis is left alone when it did not answer."""
_MAX_ATTEMPTS = 3
_REBUILT = -1

CommittedState = Mapping[str, StoredNumber]
"""What stands in a database now, by number."""


class CachePublisher:
    """Writes the cache for the manager. Threads share it; nothing here raises because of Redis."""

    def __init__(self, writer: CacheStore, reader: Reader, pool: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._cache = EntryReader(writer.redis, writer.keys)
        self._reader = reader
        self._pool = pool
        self._lock = threading.Lock()
        self._unavailable_until = 0.0

    def epochs(self, databases: Collection[str]) -> dict[str, str]:
        """The epochs of these databases, to be asked for before they are read; without any when Redis is away."""
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
        """Have lookups know what stands now.

        Args:
            epochs: from before the databases were read.
            stands: by database, what was written.
            policy: decides what lookups answer.

        Returns:
            By number, what could not be done, in words; nothing for those that are well.
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
        """Write one database's entries; returns what is wrong, empty when nothing is."""
        if epoch is None or self._is_unavailable():
            return _REDIS_UNAVAILABLE
        try:
            for _ in range(_MAX_ATTEMPTS):
                entries = _entries(state, policy)
                kept = self._fill(database, epoch, entries)
                if kept == len(entries) or (kept != _REBUILT and not self._remove_former(database, state, entries)):
                    return ""
                # The database was made anew, or a follower began with it: what was read may be of its former life.
                epoch = self._writer.checkpoints.epoch(database)
                state = self._reader.of_database(database, list(state))
        except RedisUnavailableError as problem:
            self._mark_unavailable(problem)
            return _REDIS_UNAVAILABLE
        return "the cache could not be told: lookups know it as soon as the follower does"

    def _fill(self, database: str, epoch: str, entries: Sequence[tuple[str, Entry]]) -> int:
        """How many are kept (the others were there, or newer ones are); -1 when the database was rebuilt in between."""
        kept = 0
        for start in range(0, len(entries), _FILL_BATCH_SIZE):
            count = self._writer.entries.fill(database, epoch, entries[start : start + _FILL_BATCH_SIZE])
            if count == _REBUILT:
                return _REBUILT
            kept += count
        return kept

    def _remove_former(self, database: str, state: CommittedState, entries: Sequence[tuple[str, Entry]]) -> bool:
        """Remove what looks newer than what was written, and is no revision of the document: whether there was any.

        It is of a former life of the database, or of a conflict that was resolved. Removing is safe whoever else
        writes meanwhile: what isn't there is read.
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
        log.warning("%d workers did not say in %.2f s that they dropped what changed", late, barrier.WAIT)
        return f"{late} workers did not say in time that they dropped the former answer: they do in a moment"

    def _is_unavailable(self) -> bool:
        return time.monotonic() < self._unavailable_until

    def _mark_unavailable(self, problem: Exception) -> None:
        with self._lock:
            self._unavailable_until = time.monotonic() + _REDIS_BACKOFF
        log.warning("Redis is away; lookups learn of changes from the follower: %s", problem)


_REDIS_UNAVAILABLE = "Redis is away: lookups may give the former answer until the follower tells them"


def _entries(state: CommittedState, policy: Policy) -> list[tuple[str, Entry]]:
    now = int(time.time())
    made = ((number, _entry(stored, policy, now)) for number, stored in state.items())
    return [(number, kept) for number, kept in made if kept is not None]


def _entry(stored: StoredNumber, policy: Policy, now: int) -> Entry | None:
    """What a lookup is to find; a document that can't be read as a number leaves what is there."""
    if stored.document is not None:
        return entry_builder.entry_from_document(stored.document, policy, now)
    return codec.tombstone_entry(stored.base, now) if stored.base and stored.problem is None else None
