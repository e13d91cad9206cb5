"""Audit of accounts, port requests and configuration: the hashes that workers load, against their databases."""

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

_PAGE = 1000
_LOOK = 0.5
_SLACK = 30.0
_MOMENTS = (0.0, 0.2, 0.5, 1.5)


class FollowedAudit:
    """Compares followed databases with the cache, and has them read again where they differ."""

    def __init__(self, settings: Settings, stores: Stores, policy: Policy, *, repair: bool) -> None:
        self._settings = settings
        self._stores = stores
        self._policy = policy
        self._repair = repair

    def compare(self, database: str) -> Iterator[Difference]:
        """What still differs after a moment.

        Raises:
            CouchError, redis.RedisError: a store can't be asked.
        """
        differing: dict[str, tuple[bytes | None, bytes | None]] = {}
        for moment in _MOMENTS:
            time.sleep(moment)
            differing = self._differing(database)
            if not differing:
                return
        repaired = self._repair and self._mend(database)
        for name, (cached, stored) in differing.items():
            yield _difference(database, name, cached, stored, repaired=repaired)

    def _differing(self, database: str) -> dict[str, tuple[bytes | None, bytes | None]]:
        """What is kept and what should be, of each document where these are not the same."""
        expected = self._expected(database)
        held = self._stores.redis.hgetall(self._stores.keys.documents(database))
        held.pop(EPOCH.encode(), None)
        kept = {name.decode("utf-8", "replace"): value for name, value in held.items()}
        wrong = {name: (kept.get(name), value) for name, value in expected.items() if kept.get(name) != value}
        extra = {name: (value, None) for name, value in kept.items() if name not in expected and not _is_gone(value)}
        return {**wrong, **extra}

    def _mend(self, database: str) -> bool:
        """Have a followed database read from the start: by us, or by whoever leads."""
        self._stores.writer.checkpoints.invalidate(database)
        with Leadership(self._stores.lease()) as leadership:
            if leadership.token:
                stores = self._stores
                applier = Applier(stores.writer, stores.reader, stores.databases, leadership.token, self._policy)
                catch_up = CatchUp(
                    self._stores.databases, self._stores.writer, applier, page=self._settings.follower.batch_size
                )
                catch_up.run(FollowedDatabase(database), leadership.lost)
        end = time.monotonic() + self._settings.follower.reconcile_interval + _SLACK
        while self._differing(database):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK)
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
            yield from self._stores.databases.database(database).all_documents(_PAGE)
        except NotFoundError:
            return


def _difference(database: str, name: str, cached: bytes | None, stored: bytes | None, *, repaired: bool) -> Difference:
    kind = "missing" if cached is None else "extra" if stored is None else "different"
    return Difference(database, name, kind, _revision(cached), _revision(stored), repaired=repaired)


def _revision(value: bytes | None) -> str:
    return revision_of(value[:VERSION]) if value else ""


def _is_gone(value: bytes) -> bool:
    """A followed document that was deleted, or a port request that is not active any more."""
    return value[VERSION:] in {b"", b"D"}
