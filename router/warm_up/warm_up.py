"""Warm-up: reads every number database into the cache, in parallel, and hands over to the follower without a gap.

It runs the follower's catch-up under the follower's lease, and the follower continues from the checkpoints that it
leaves: the next leader reads a change made meanwhile. Where a follower leads already, the warm-up watches it until it
has caught up with every database.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

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
from router.runtime.chunked import chunked
from router.runtime.progress import Progress
from router.settings import Settings
from router.settings.rules import build_rules
from router.stores.clients import Stores
from router.warm_up.report import WarmReport

_POLL_INTERVAL = 0.25
"""Seconds between two looks at the checkpoints of a leading follower."""
_MAX_ATTEMPTS = 3
"""Tries to read one database."""


class WarmUp:
    """Fills the cache once.

    Args:
        databases: number databases to fill; None for all.
    """

    def __init__(
        self, settings: Settings, stores: Stores, progress: Progress, databases: Sequence[str] | None = None
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._progress = progress
        self._requested = databases
        self._lock = threading.Lock()
        self.report = WarmReport()

    def run(self) -> WarmReport:
        """Fill the cache.

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
        if self._requested is None:
            return present
        for name in set(self._requested) - set(present):
            self.report.failed_databases[name] = "there is no such number database"
        return [name for name in present if name in set(self._requested)]

    def _infos(self, names: Sequence[str]) -> dict[str, DatabaseInfo]:
        found = (self._stores.databases.infos(batch) for batch in chunked(names, INFO_BATCH_SIZE))
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
        self._read(catch_up, FollowedDatabase(SYSTEM_CONFIG), leadership)
        applier.policy = read_rules(self._settings, stores.writer).policy
        for name in REFERENCE_DATABASES:
            self._read(catch_up, FollowedDatabase(name), leadership)
        before = applier.counts.all()

        def fill(database: FollowedDatabase) -> None:
            self._read(catch_up, database, leadership, infos.get(database.name), count=True)

        databases = self._prepare(names)
        with ThreadPoolExecutor(self._settings.follower.workers, thread_name_prefix="warm") as pool:
            list(pool.map(fill, databases))
        skipped = applier.counts["skipped"] - before.get("skipped", 0)
        self.report.written = applier.counts["applied"] - before.get("applied", 0) - skipped
        self.report.not_numbers = skipped - len(self.report.skipped)

    def _prepare(self, names: Sequence[str]) -> list[FollowedDatabase]:
        """Remove the leftovers of all databases without a checkpoint in one pass, instead of one pass each."""
        checkpoints = dict(zip(names, self._stores.writer.checkpoints.get_many(names), strict=True))
        unknown = [name for name in names if not checkpoints[name].epoch]
        if unknown:
            self._stores.writer.entries.remove_databases(unknown)
        return [FollowedDatabase(name, checkpoints[name]) for name in names]

    def _read(
        self,
        catch_up: CatchUp,
        database: FollowedDatabase,
        leadership: Leadership,
        info: DatabaseInfo | None = None,
        *,
        count: bool = False,
    ) -> None:
        """Read one database, a few times where that fails.

        Args:
            count: it is one of the number databases that the report and the progress count.
        """
        problem: Exception | None = None
        for _ in range(_MAX_ATTEMPTS):
            if leadership.lost.is_set():
                return
            progress = self._progress.documents if count else _ignore
            try:
                result = catch_up.run(database, leadership.lost, progress, info)
            except (CouchError, redis.RedisError, CheckpointConflict) as failure:
                problem, info = failure, None
                continue
            except FencedError:
                leadership.lost.set()
                return
            if count:
                self._note(database, filled=result.full_read, read=result.changes)
            return
        if problem is not None:
            with self._lock:
                self.report.failed_databases[database.name] = str(problem) or type(problem).__name__

    def _note(self, database: FollowedDatabase, *, filled: bool, read: int) -> None:
        with self._lock:
            self.report.filled += filled
            self.report.current += not filled
            self.report.read += read
        self._progress.database(database.name)

    def _note_skip(self, database: str, identifier: str, reason: str) -> None:
        with self._lock:
            self.report.skipped.append((database, identifier, reason))

    def _watch(self, names: Sequence[str], lease: Lease) -> None:
        """Wait until the leading follower has caught up with these databases."""
        self.report.watched = True
        waiting = list(names)
        while waiting:
            status = follower_status.read(self._stores.redis, self._stores.keys)
            silent = status is None or status.age > self._settings.follower.lease_ttl * 3
            if silent and not lease.holder():
                reason = "the follower that was filling the cache fell silent"
                self.report.failed_databases |= dict.fromkeys(waiting, reason)
                return
            checkpoints = dict(zip(waiting, self._stores.writer.checkpoints.get_many(waiting), strict=True))
            for name, checkpoint in checkpoints.items():
                if checkpoint.complete:
                    self.report.current += 1
                    self._progress.database(name)
            waiting = [name for name, checkpoint in checkpoints.items() if not checkpoint.complete]
            time.sleep(_POLL_INTERVAL if waiting else 0)


def _ignore(_: int) -> None:
    pass
