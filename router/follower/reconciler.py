"""Comparing every database with its checkpoint: finds what the feed of updates lost."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import redis

from router.couch.errors import CouchError
from router.couch.responses import DatabaseInfo
from router.couch.server import INFO_BATCH_SIZE, CouchServer
from router.follower.updates_watcher import Wake
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.runtime.backoff import RECONNECT

log = logging.getLogger(__name__)


class SweepTimes(NamedTuple):
    """When a comparison of all databases began and ended, on the monotonic clock."""

    began: float
    ended: float


class Reconciler:
    """Sweeps when asked, and from time to time.

    Args:
        register: takes note of a database that is up to date.
        shape_of: what a database's entries are made with now.
        recheck: looks up changes that a checkpoint holds as undecided (database, epoch, versions by name).
        fresh: told the databases of which the cache knows nothing, before they are woken for the first time.

    Attributes:
        swept: set when the first sweep is done.
        compared: the last sweep that came to its end.
    """

    def __init__(
        self,
        databases: CouchServer,
        writer: CacheStore,
        *,
        interval: float,
        wake: Wake,
        register: Callable[[str, Checkpoint], None],
        fresh: Callable[[Sequence[str]], None],
        shape_of: Callable[[str], str],
        recheck: Callable[[str, str, Mapping[str, bytes]], None],
    ) -> None:
        self._databases = databases
        self._writer = writer
        self._interval = interval
        self._wake = wake
        self._register = register
        self._fresh = fresh
        self._shape_of = shape_of
        self._recheck = recheck
        self._asked = threading.Event()
        self._stop = threading.Event()
        self._prepared = False
        self.swept = threading.Event()
        self.compared: SweepTimes | None = None
        self.thread = threading.Thread(target=self._run, name="follower-sweep", daemon=True)

    def start(self) -> None:
        """Begin; the first sweep comes when it is asked for, or after an interval."""
        self.thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self._asked.set()

    def ask(self) -> None:
        """Have a sweep done now."""
        self._asked.set()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            asked = self._asked.wait(self._interval if not failures else RECONNECT.delay(failures))
            if self._stop.is_set():
                return
            self._asked.clear()
            try:
                self._sweep(hurry=asked or not self.swept.is_set())
                failures = 0
                self.swept.set()
            except (CouchError, redis.RedisError) as problem:
                failures += 1
                log.warning("comparing databases with checkpoints failed: %s", problem)
            except Exception:
                failures += 1
                log.exception("comparing databases with checkpoints failed")

    def _sweep(self, *, hurry: bool) -> None:
        began = time.monotonic()
        shards = self._databases.shards()
        names = [*REFERENCE_DATABASES, *shards]
        checkpoints = dict(zip(names, self._writer.checkpoints.get_many(names), strict=True))
        if not self._prepared:
            self._fresh([name for name in shards if not checkpoints[name].epoch])
            self._prepared = True
        known = self._writer.checkpoints.databases()
        # The set of their names may have been lost alone: then a database that vanishes would not be missed.
        self._writer.checkpoints.register(name for name in names if checkpoints[name].epoch and name not in known)
        chunks = [names[start : start + INFO_BATCH_SIZE] for start in range(0, len(names), INFO_BATCH_SIZE)]
        for chunk in chunks:
            self._compare(chunk, checkpoints)
            # Spread out, an idle sweep is nothing that a server would notice.
            if not hurry and self._asked.wait(self._interval / len(chunks)):
                return  # one that is asked for begins at once, from the start
        self._wake_vanished(known - set(names))
        self.compared = SweepTimes(began, time.monotonic())

    def _compare(self, names: Sequence[str], checkpoints: dict[str, Checkpoint]) -> None:
        for name, info in self._databases.infos(names).items():
            kept = checkpoints[name]
            if kept.older:
                self._recheck(name, kept.epoch, kept.older)
            if self._is_up_to_date(name, kept, info):
                self._register(name, kept)
            else:
                self._wake(name, needs_reread=_is_another(kept, info), info=info)

    def _is_up_to_date(self, name: str, kept: Checkpoint, info: DatabaseInfo | None) -> bool:
        if info is None:
            return kept.complete and not kept.instance_start_time
        return (
            kept.complete
            and kept.matches(info.instance, info.purges)
            and kept.is_current(info.copies)
            and kept.fingerprint == self._shape_of(name)
        )

    def _wake_vanished(self, names: Iterable[str]) -> None:
        for name in names:
            self._wake(name)


def _is_another(kept: Checkpoint, info: DatabaseInfo | None) -> bool:
    """Whether what the cache holds belongs to another life of the database."""
    return info is not None and bool(kept.epoch) and not kept.matches(info.instance, info.purges)
