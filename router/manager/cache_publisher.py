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
from router.manager.read_step import Found, Reader, each
from router.near_cache import barrier
from router.numbers.routes import Policy
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import RedisUnavailableError
from router.redis_store.entry_reader import EntryReader

log = logging.getLogger(__name__)

_TOGETHER = 200
"""Entries written in one step of Redis."""
_PAUSE = 1.0
"""Seconds that Redis is left alone when it did not answer."""
_TRIES = 3
_REBUILT = -1

Standing = Mapping[str, Found]
"""What stands in a database now, by number."""


class CacheTeller:
    """Writes the cache for the manager. Threads share it; nothing here raises because of Redis."""

    def __init__(self, writer: CacheStore, reader: Reader, pool: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._cache = EntryReader(writer.redis, writer.keys)
        self._reader = reader
        self._pool = pool
        self._lock = threading.Lock()
        self._away_until = 0.0

    def epochs(self, databases: Collection[str]) -> dict[str, str]:
        """The epochs of these databases, to be asked for before they are read; without any when Redis is away."""
        names = list(databases)
        if self._is_away():
            return {}
        try:
            return dict(zip(names, self._writer.checkpoints.epochs(names), strict=True))
        except RedisUnavailableError as problem:
            self._failed(problem)
            return {}

    def tell(self, epochs: Mapping[str, str], stands: Mapping[str, Standing], policy: Policy) -> dict[str, list[str]]:
        """Have lookups know what stands now.

        Args:
            epochs: from before the databases were read.
            stands: by database, what was written.
            policy: decides what lookups answer.

        Returns:
            By number, what could not be done, in words; nothing for those that are well.
        """
        pieces = [(name, epochs.get(name), standing) for name, standing in stands.items()]
        silent: dict[str, list[str]] = {}
        for (_, _, standing), problem in zip(
            pieces, each(self._pool, lambda piece: self._tell(*piece, policy), pieces), strict=True
        ):
            if problem:
                silent |= {number: [problem] for number in standing}
        problem = self._pass_barrier() if len(silent) < sum(map(len, stands.values())) else ""
        if problem:
            for standing in stands.values():
                for number in standing:
                    silent.setdefault(number, [problem])
        return silent

    def _tell(self, database: str, epoch: str | None, standing: Standing, policy: Policy) -> str:
        """Write one database's entries; returns what is wrong, empty when nothing is."""
        if epoch is None or self._is_away():
            return _AWAY
        try:
            for _ in range(_TRIES):
                entries = _entries(standing, policy)
                kept = self._fill(database, epoch, entries)
                if kept == len(entries) or (kept != _REBUILT and not self._forget_former(database, standing, entries)):
                    return ""
                # The database was made anew, or a follower began with it: what was read may be of its former life.
                epoch = self._writer.checkpoints.epoch(database)
                standing = self._reader.of_database(database, list(standing))
        except RedisUnavailableError as problem:
            self._failed(problem)
            return _AWAY
        return "the cache could not be told: lookups know it as soon as the follower does"

    def _fill(self, database: str, epoch: str, entries: Sequence[tuple[str, Entry]]) -> int:
        """How many are kept (the others were there, or newer ones are); -1 when the database was rebuilt in between."""
        kept = 0
        for start in range(0, len(entries), _TOGETHER):
            said = self._writer.entries.fill(database, epoch, entries[start : start + _TOGETHER])
            if said == _REBUILT:
                return _REBUILT
            kept += said
        return kept

    def _forget_former(self, database: str, standing: Standing, entries: Sequence[tuple[str, Entry]]) -> bool:
        """Remove what looks newer than what was written, and is no revision of the document: whether there was any.

        It is of a former life of the database, or of a conflict that was resolved. Removing is safe whoever else
        writes meanwhile: what isn't there is read.
        """
        held = self._cache.entries([number for number, _ in entries])
        newer = [
            number
            for (number, codec), value in zip(entries, held, strict=True)
            if value is not None and value[:VERSION] > codec.version
        ]
        if not newer:
            return False
        stands = self._reader.of_database(database, newer)
        former = [number for number in newer if stands[number].base == standing[number].base]
        for number in former:
            self._writer.entries.remove(number)
        return bool(former)

    def _pass_barrier(self) -> str:
        try:
            late = barrier.await_all(self._writer.redis, self._writer.keys)
        except RedisUnavailableError as problem:
            self._failed(problem)
            return _AWAY
        if not late:
            return ""
        log.warning("%d workers did not say in %.2f s that they dropped what changed", late, barrier.WAIT)
        return f"{late} workers did not say in time that they dropped the former answer: they do in a moment"

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _failed(self, problem: Exception) -> None:
        with self._lock:
            self._away_until = time.monotonic() + _PAUSE
        log.warning("Redis is away; lookups learn of changes from the follower: %s", problem)


_AWAY = "Redis is away: lookups may give the former answer until the follower tells them"


def _entries(standing: Standing, policy: Policy) -> list[tuple[str, Entry]]:
    now = int(time.time())
    made = ((number, _entry(found, policy, now)) for number, found in standing.items())
    return [(number, kept) for number, kept in made if kept is not None]


def _entry(found: Found, policy: Policy, now: int) -> Entry | None:
    """What a lookup is to find; a document that can't be read as a number leaves what is there."""
    if found.document is not None:
        return entry_builder.entry_from_document(found.document, policy, now)
    return codec.tombstone_entry(found.base, now) if found.base and found.problem is None else None
