"""Warm-up: every number database into the cache, in parallel, with proof, and handed over without a gap.

It is the follower's own catching-up under the follower's lease, so the checkpoints it leaves are where the
follower goes on: a change made while it runs is read by whoever comes after. Where a follower leads already,
there is nothing to take over: it is watched until it has everything.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import redis

from router.couch.errors import CouchError
from router.couch.responses import DatabaseInfo
from router.couch.server import INFO_BATCH_SIZE
from router.follower.account_copy_repairer import pending_copies
from router.follower.applier import Applier, CheckpointConflict, FencedError
from router.follower.catch_up import CatchUp
from router.follower.configuration import read_rules
from router.follower.followed_database import FollowedDatabase
from router.follower.leadership import Leadership
from router.numbers.kazoo_databases import REFERENCE_DATABASES, SYSTEM_CONFIG
from router.redis_store import follower_status
from router.redis_store.lease import Lease
from router.runtime.progress import Progress
from router.settings import Settings
from router.settings.rules import build_rules
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_LOOK = 0.25
_TRIES = 3


@dataclass(slots=True)
class WarmReport:
    """What a warm-up did.

    Attributes:
        databases: asked for; filled: read from the start; current: had their checkpoint already.
        read: changes read; written: entries applied; not_numbers: design documents.
        left_out: database → why, for what is not in the cache.
        skipped: (database, id, why) of documents that no lookup can reach.
        watched: a follower did the work.
        seconds: it took.
    """

    databases: int = 0
    filled: int = 0
    current: int = 0
    read: int = 0
    written: int = 0
    not_numbers: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    watched: bool = False
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.read / self.seconds if self.seconds else 0.0

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return not self.left_out and not self.skipped


class WarmUp:
    """Fills the cache once.

    Args:
        databases: which number databases; None for all.
    """

    def __init__(
        self, settings: Settings, stores: Stores, progress: Progress, databases: Sequence[str] | None = None
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._progress = progress
        self._asked = databases
        self._lock = threading.Lock()
        self.report = WarmReport()

    def run(self) -> WarmReport:
        """Warm up.

        Raises:
            CouchError, redis.RedisError: a store can't be asked at all.
        """
        began = time.monotonic()
        names = self._names()
        self.report.databases = len(names)
        infos = self._infos(names)
        self._progress.total(len(names), sum(info.documents for info in infos.values()))
        lease = self._stores.lease()
        with Leadership(lease) as leadership:
            if leadership.token:
                self._fill(names, infos, leadership)
        if not leadership.token or leadership.lost.is_set():
            self._watch(names, lease)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _names(self) -> list[str]:
        present = self._stores.databases.shards()
        if self._asked is None:
            return present
        for name in set(self._asked) - set(present):
            self.report.left_out[name] = "there is no such number database"
        return [name for name in present if name in set(self._asked)]

    def _infos(self, names: Sequence[str]) -> dict[str, DatabaseInfo]:
        chunks = (names[at : at + INFO_BATCH_SIZE] for at in range(0, len(names), INFO_BATCH_SIZE))
        found = (self._stores.databases.infos(chunk) for chunk in chunks)
        return {name: info for each in found for name, info in each.items() if info is not None}

    def _fill(self, names: Sequence[str], infos: Mapping[str, DatabaseInfo], leadership: Leadership) -> None:
        stores = self._stores
        applier = Applier(
            stores.writer,
            stores.reader,
            stores.databases,
            leadership.token,
            build_rules(self._settings, None).policy,
            on_skip=self._note_skip,
            pending=pending_copies(self._settings, stores),
        )
        catch_up = CatchUp(stores.databases, stores.writer, applier, page=self._settings.follower.batch_size)
        self._one(catch_up, FollowedDatabase(SYSTEM_CONFIG), leadership, count=False)
        applier.policy = read_rules(self._settings, stores.writer).policy
        for name in REFERENCE_DATABASES:
            self._one(catch_up, FollowedDatabase(name), leadership, count=False)
        before = applier.counts.all()
        targets = self._targets(names)
        with ThreadPoolExecutor(self._settings.follower.workers, thread_name_prefix="warm") as pool:
            list(
                pool.map(lambda each: self._one(catch_up, each, leadership, infos.get(each.name), count=True), targets)
            )
        skipped = applier.counts["skipped"] - before.get("skipped", 0)
        self.report.written = applier.counts["applied"] - before.get("applied", 0) - skipped
        self.report.not_numbers = skipped - len(self.report.skipped)

    def _targets(self, names: Sequence[str]) -> list[FollowedDatabase]:
        """Leftovers of databases that the cache knows nothing of go in one pass, not in one each."""
        kept = dict(zip(names, self._stores.writer.checkpoints.get_many(names), strict=True))
        fresh = [name for name in names if not kept[name].epoch]
        if fresh:
            self._stores.writer.entries.remove_databases(fresh)
        return [FollowedDatabase(name, kept[name]) for name in names]

    def _one(
        self,
        catch_up: CatchUp,
        target: FollowedDatabase,
        leadership: Leadership,
        info: DatabaseInfo | None = None,
        *,
        count: bool,
    ) -> None:
        problem: Exception | None = None
        for _ in range(_TRIES):
            if leadership.lost.is_set():
                return
            try:
                found = catch_up.run(target, leadership.lost, self._progress.documents if count else _nothing, info)
            except (CouchError, redis.RedisError, CheckpointConflict) as failure:
                problem, info = failure, None
                continue
            except FencedError:
                leadership.lost.set()
                return
            if count:
                self._note(target, filled=found.full_read, read=found.changes)
            return
        if problem is not None:
            with self._lock:
                self.report.left_out[target.name] = str(problem) or type(problem).__name__

    def _note(self, target: FollowedDatabase, *, filled: bool, read: int) -> None:
        with self._lock:
            self.report.filled += filled
            self.report.current += not filled
            self.report.read += read
        self._progress.database(target.name)

    def _note_skip(self, database: str, identifier: str, why: str) -> None:
        with self._lock:
            self.report.skipped.append((database, identifier, why))

    def _watch(self, names: Sequence[str], lease: Lease) -> None:
        """Somebody else leads: wait until he has these databases."""
        self.report.watched = True
        waiting = list(names)
        while waiting:
            said = follower_status.read(self._stores.redis, self._stores.keys)
            silent = said is None or said.age > self._settings.follower.lease_ttl * 3
            if silent and not lease.holder():
                self.report.left_out |= dict.fromkeys(waiting, "the follower that was filling the cache fell silent")
                return
            kept = self._stores.writer.checkpoints.get_many(waiting)
            for name, checkpoint in zip(waiting, kept, strict=True):
                if checkpoint.complete:
                    self.report.current += 1
                    self._progress.database(name)
            waiting = [name for name, each in zip(waiting, kept, strict=True) if not each.complete]
            time.sleep(_LOOK if waiting else 0)


def _nothing(_: int) -> None:
    pass
