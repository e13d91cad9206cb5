"""The integrity checker: finds what Redis lost or corrupted before a lookup does.

Workers read reference documents only when they start. Checkpoints of quiet databases and entries of numbers that get
no calls are not read at all. So a small part of each is checked every second, and repaired.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

import redis

from router.couch.errors import CouchError
from router.follower.applier import Applier
from router.follower.scheduler import DatabaseScheduler
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.shards import shard_for
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.integrity_scan import IntegrityScan
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff

log = logging.getLogger(__name__)

_CHECK_INTERVAL = 1.0
"""Seconds between two checks of a part."""
_CHECKPOINT_BATCH_SIZE = 50


class IntegrityChecker:
    """Checks one part of Redis after the other until the session is over."""

    def __init__(self, scheduler: DatabaseScheduler, cache: CacheStore, applier: Applier, scan: IntegrityScan) -> None:
        self._scheduler = scheduler
        self._cache = cache
        self._applier = applier
        self._scan = scan
        self._unchecked: list[str] = []
        self._thread = BackgroundThread(
            "follower-integrity",
            self._check,
            failing="checking Redis has to wait",
            interval=_CHECK_INTERVAL,
            log=log,
            starts_at_once=False,
            expected=(CouchError, redis.RedisError),
            logs_repeats=False,
            backoff=Backoff(_CHECK_INTERVAL, _CHECK_INTERVAL, jitter=0.0),
        )

    def start(self) -> None:
        """Start checking."""
        self._thread.start()

    def close(self) -> None:
        """Stop checking."""
        self._thread.stop()

    def check_reference_documents(self) -> None:
        """Check that Redis still holds the reference documents, and that no worker found them corrupt; quick.

        Raises:
            redis.RedisError: Redis can't be asked.
        """
        idle = self._scheduler.idle_checkpoints(REFERENCE_DATABASES)
        names = list(idle)
        if not names:
            return
        held = self._cache.documents.are_of_epochs(names, [each.epoch for each in idle.values()])
        lost = [name for name, intact in zip(names, held, strict=True) if not intact]
        self._reread(idle, lost, "documents")
        self._compare({name: each for name, each in idle.items() if name not in lost})

    def _check(self) -> None:
        for check in (self._check_checkpoints, self._check_documents, self._check_entries):
            if self._scheduler.stop.is_set():
                return
            try:
                check()
            except (CouchError, redis.RedisError):
                raise
            except Exception:
                # A fault in one check must not keep the others from running.
                log.exception("checking Redis failed")

    def _check_checkpoints(self) -> None:
        if not self._unchecked:
            self._unchecked = [database.name for database in self._scheduler.databases()]
        batch, self._unchecked = self._unchecked[:_CHECKPOINT_BATCH_SIZE], self._unchecked[_CHECKPOINT_BATCH_SIZE:]
        self._compare(self._scheduler.idle_checkpoints(batch))

    def _compare(self, idle: Mapping[str, Checkpoint]) -> None:
        """Have databases read again whose checkpoints in Redis are not those that this follower wrote."""
        names = list(idle)
        held = self._cache.checkpoints.get_many(names) if names else []
        others = [name for name, stored in zip(names, held, strict=True) if _identity(stored) != _identity(idle[name])]
        self._reread(idle, others, "checkpoint")

    def _check_documents(self) -> None:
        for name, checkpoint in self._scheduler.idle_checkpoints(REFERENCE_DATABASES).items():
            corrupt = self._scan.corrupt_documents(name)
            if corrupt:
                repaired = self._applier.repair_documents(name, checkpoint.epoch, corrupt)
                log.error(
                    "Redis held corrupt documents: database=%s corrupt=%d repaired=%d", name, len(corrupt), repaired
                )

    def _check_entries(self) -> None:
        for number, value in self._scan.corrupt_entries().items():
            database = str(shard_for(number))
            for checkpoint in self._scheduler.idle_checkpoints([database]).values():
                repaired = self._applier.repair_entry(database, checkpoint.epoch, number, value)
                log.error("Redis held a corrupt entry: number=%s repaired=%s", number, repaired)

    def _reread(self, seen: Mapping[str, Checkpoint], names: Iterable[str], part: str) -> None:
        for name in names:
            # A change meanwhile left Redis as it should be.
            if self._scheduler.reread_if_unchanged(name, seen[name]):
                log.warning("Redis lost or changed data, the database is reread: part=%s database=%s", part, name)


def _identity(checkpoint: Checkpoint) -> Checkpoint:
    """Return the fields that only this follower writes; the others may differ."""
    return replace(checkpoint, copies={}, updated_at=0.0, pending=0, older={})
