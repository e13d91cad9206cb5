"""Audit of the reference data: accounts, port requests and configuration in Redis against their databases."""

import time
from collections.abc import Iterator

from router.audit.report import Difference
from router.couch.client import Document
from router.couch.errors import NotFoundError
from router.entries import entry_builder
from router.entries.codec import VERSION, revision_of
from router.follower.applier import Applier
from router.follower.catch_up import CatchUp
from router.follower.followed_database import FollowedDatabase
from router.follower.leadership import Leadership
from router.numbers.routes import Policy
from router.redis_store.keys import EPOCH
from router.settings import Settings
from router.stores.clients import Stores

_PAGE_SIZE = 1000
"""Documents read in one request."""
_POLL_INTERVAL = 0.5
"""Seconds between two comparisons while a leading follower reads a database again."""
_REPAIR_SLACK = 30.0
"""Seconds beyond the follower's reconcile interval until a repair counts as failed."""
_RECHECK_DELAYS = (0.0, 0.2, 0.5, 1.5)
"""Seconds to wait before each check of a difference."""


class ReferenceDataAudit:
    """Compares reference databases with the cache, and has them read again where they differ."""

    def __init__(self, settings: Settings, stores: Stores, policy: Policy, *, repair: bool) -> None:
        self._settings = settings
        self._stores = stores
        self._policy = policy
        self._repair = repair

    def compare(self, database: str) -> Iterator[Difference]:
        """Yield the differences that are left after a few checks.

        Raises:
            CouchError, redis.RedisError: a store can't be asked.
        """
        differing: dict[str, tuple[bytes | None, bytes | None]] = {}
        for delay in _RECHECK_DELAYS:
            time.sleep(delay)
            differing = self._differing(database)
            if not differing:
                return
        repaired = self._repair and self._reread(database)
        for name, (cached, stored) in differing.items():
            yield _difference(database, name, cached, stored, repaired=repaired)

    def _differing(self, database: str) -> dict[str, tuple[bytes | None, bytes | None]]:
        """Return the cached and the expected value of each document where they differ."""
        expected = self._expected(database)
        held = self._stores.redis.hgetall(self._stores.keys.documents(database))
        held.pop(EPOCH.encode(), None)
        kept = {name.decode("utf-8", "replace"): value for name, value in held.items()}
        wrong = {name: (kept.get(name), value) for name, value in expected.items() if kept.get(name) != value}
        extra = {name: (value, None) for name, value in kept.items() if name not in expected and not _is_absent(value)}
        return {**wrong, **extra}

    def _reread(self, database: str) -> bool:
        """Have a database read from the start, by the audit or by a leading follower; return whether that helped."""
        self._stores.writer.checkpoints.invalidate(database)
        with Leadership(self._stores.lease()) as leadership:
            if leadership.token:
                stores = self._stores
                applier = Applier(stores.writer, stores.reader, stores.databases, leadership.token, self._policy)
                catch_up = CatchUp(
                    self._stores.databases, self._stores.writer, applier, page=self._settings.follower.batch_size
                )
                catch_up.run(FollowedDatabase(database), leadership.lost)
        end = time.monotonic() + self._settings.follower.reconcile_interval + _REPAIR_SLACK
        while self._differing(database):
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_INTERVAL)
        return True

    def _expected(self, database: str) -> dict[str, bytes]:
        expected = {}
        for page in self._pages(database):
            for document in page:
                value = entry_builder.document_value(database, document)
                if value is not None:
                    expected[str(document.get("_id"))] = value
        return expected

    def _pages(self, database: str) -> Iterator[list[Document]]:
        try:
            yield from self._stores.databases.database(database).all_documents(_PAGE_SIZE)
        except NotFoundError:
            return


def _difference(database: str, name: str, cached: bytes | None, stored: bytes | None, *, repaired: bool) -> Difference:
    kind = "missing" if cached is None else "extra" if stored is None else "different"
    return Difference(database, name, kind, _revision(cached), _revision(stored), repaired=repaired)


def _revision(value: bytes | None) -> str:
    return revision_of(value[:VERSION]) if value else ""


def _is_absent(value: bytes) -> bool:
    """Return whether a value marks a deleted document, or a port request that is not active any more."""
    return value[VERSION:] in {b"", b"D"}
