"""Looking after what Redis holds and nobody asks for: sooner or later somebody would.

Documents that workers read when they start only, checkpoints of databases in which nothing changes, entries of numbers
that nobody calls: what is lost or garbled there is put right by a look at a small part of it each second.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import redis

from router.couch.errors import CouchError
from router.follower.applier import Applier
from router.follower.followed_database import FollowedDatabase
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.shards import shard_for
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.integrity_scan import IntegrityScan

if TYPE_CHECKING:
    from router.follower.leader_session import LeaderSession

log = logging.getLogger(__name__)

_CHECK_INTERVAL = 1.0
"""Seconds between two looks."""
_CHECKPOINT_BATCH_SIZE = 50


class IntegrityChecker:
    """Goes round and round until its term is over."""

    def __init__(self, term: "LeaderSession", writer: CacheStore, applier: Applier, garbled: IntegrityScan) -> None:
        self._term = term
        self._writer = writer
        self._applier = applier
        self._garbled = garbled
        self._ahead: list[str] = []
        self._troubled = False
        self.thread = threading.Thread(target=self._run, name="follower-patrol", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def look_after_followed(self) -> None:
        """See whether Redis still holds the followed documents, and no worker found them spoilt; quick.

        Raises:
            redis.RedisError: Redis can't be asked.
        """
        resting = self._resting(REFERENCE_DATABASES)
        names = list(resting)
        if not names:
            return
        held = self._writer.documents.are_of_epochs(names, [each.epoch for each in resting.values()])
        lost = [name for name, whole in zip(names, held, strict=True) if not whole]
        self._distrust(resting, lost, "documents")
        self._compare({name: each for name, each in resting.items() if name not in lost})

    def _run(self) -> None:
        while not self._term.stop.wait(_CHECK_INTERVAL):
            for look in (self._look_at_checkpoints, self._look_at_documents, self._look_at_entries):
                try:
                    look()
                except (CouchError, redis.RedisError) as problem:
                    if not self._troubled:
                        log.warning("looking through Redis has to wait: %s", problem)
                    self._troubled = True
                    break
                except Exception:
                    log.exception("looking through Redis failed")
            else:
                self._troubled = False

    def _look_at_checkpoints(self) -> None:
        if not self._ahead:
            with self._term.lock:
                self._ahead = list(self._term.targets)
        some, self._ahead = self._ahead[:_CHECKPOINT_BATCH_SIZE], self._ahead[_CHECKPOINT_BATCH_SIZE:]
        self._compare(self._resting(some))

    def _compare(self, resting: dict[str, Checkpoint]) -> None:
        """Have databases read again whose checkpoints in Redis are not those that we wrote."""
        names = list(resting)
        held = self._writer.checkpoints.get_many(names) if names else []
        others = [name for name, kept in zip(names, held, strict=True) if not _is_same(kept, resting[name])]
        self._distrust(resting, others, "checkpoint")

    def _look_at_documents(self) -> None:
        for name, checkpoint in self._resting(REFERENCE_DATABASES).items():
            garbled = self._garbled.corrupt_documents(name)
            if garbled:
                mended = self._applier.mend_documents(name, checkpoint.epoch, garbled)
                log.error("Redis held something else for %d documents of %s; %d mended", len(garbled), name, mended)

    def _look_at_entries(self) -> None:
        for number, value in self._garbled.corrupt_entries().items():
            database = str(shard_for(number))
            for checkpoint in self._resting([database]).values():
                mended = self._applier.mend_entry(database, checkpoint.epoch, number, value)
                log.error("Redis held something else for %s; %s", number, "mended" if mended else "it was replaced")

    def _resting(self, names: Sequence[str]) -> dict[str, Checkpoint]:
        """Where those of these databases stand that nobody is at work on: Redis holds what the follower believes."""
        with self._term.lock:
            known = [self._term.targets[name] for name in names if name in self._term.targets]
            return {target.name: target.checkpoint for target in known if _rests(target)}

    def _distrust(self, seen: dict[str, Checkpoint], names: Sequence[str], what: str) -> None:
        for name in names:
            with self._term.lock:
                target = self._term.targets.get(name)
                # What was changed meanwhile is in Redis as it should be.
                if target is not None and _rests(target) and target.checkpoint == seen[name]:
                    log.warning("Redis lost or changed what it held of %s (%s); it is read again", name, what)
                    self._term.wake(name, needs_reread=True)


def _rests(target: FollowedDatabase) -> bool:
    """Whether nobody is, or will be, at work on it: after a failure Redis may be ahead of what the follower knows."""
    busy = target.working or target.queued or target.needs_reread or target.pending_since is not None
    return target.checkpoint.complete and not busy


def _is_same(kept: Checkpoint, ours: Checkpoint) -> bool:
    """Whether a checkpoint says what we wrote; what is not decided by its epoch and sequence may differ."""
    return _identity(kept) == _identity(ours)


def _identity(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, copies={}, updated_at=0.0, pending=0, older={})
