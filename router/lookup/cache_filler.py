"""Cache filler: writes what lookups read from the number database to Redis, and removes corrupt entries."""

import logging
from collections.abc import Mapping, Sequence

from router.entries.codec import Entry
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import RedisUnavailableError, is_error_reply
from router.trust.monitor import TrustMonitor
from router.trust.trust import UNAVAILABLE

log = logging.getLogger(__name__)


class CacheFiller:
    """Fills Redis; a Redis that is away costs no reader its time, and no call its answer.

    Args:
        trust: tells whether Redis responds, and learns it.
    """

    def __init__(self, store: CacheStore, trust: TrustMonitor) -> None:
        self._store = store
        self._trust = trust

    def epoch(self, database: str) -> str | None:
        """Return a database's epoch, for a read that follows; None where Redis does not respond."""
        if self._trust.current.redis is UNAVAILABLE:
            return None
        try:
            epoch = self._store.checkpoints.epoch(database)
        except RedisUnavailableError as problem:
            self._note_failure(problem)
            return None
        self._trust.redis_responded()
        return epoch

    def fill(self, database: str, epoch: str, entries: Mapping[str, Entry]) -> None:
        """Write entries that were read under an epoch; after a failure the next miss reads them again."""
        try:
            self._store.entries.fill(database, epoch, list(entries.items()), only_missing=True)
        except RedisUnavailableError as problem:
            self._note_failure(problem)
            log.debug("filling failed: database=%s entries=%d error=%s", database, len(entries), problem)

    def remove(self, numbers: Sequence[str]) -> None:
        """Remove the entries of some numbers."""
        try:
            for number in numbers:
                self._store.entries.remove(number)
        except RedisUnavailableError as problem:
            self._note_failure(problem)

    def _note_failure(self, problem: Exception) -> None:
        """Report a Redis that is away; one that refuses writes still serves near caches and readers."""
        if not is_error_reply(problem):
            self._trust.redis_failed()
