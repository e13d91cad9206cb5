"""Errors that nobody expects: whoever keeps the cache true goes on after them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from router.couch.changes import ChangesFeed
from router.follower.catch_up import CatchUp
from router.follower.follower import Follower
from router.follower.leadership import Leadership
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.lease import Lease
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import ONE, TWO, RealStores
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
RARELY: dict[str, Any] = {"follower_reconcile_interval": 600}
"""So that nothing is healed by a sweep."""


class Failing:
    """Puts in the place of a method one that fails once, and from then on is the former one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, owner: type, name: str, when: Callable[..., bool] = lambda *_: True) -> threading.Event:
        act: Callable[..., Any] = getattr(owner, name)
        failed = threading.Event()

        def once(*message: Any, **options: Any) -> Any:
            if not failed.is_set() and when(*message):
                failed.set()
                raise RuntimeError("nobody expects this")
            return act(*message, **options)

        self._patch.setattr(owner, name, once)
        return failed


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    return Failing(monkeypatch)


@pytest.mark.parametrize(("owner", "method"), [(Lease, "acquire"), (Follower, "_lead"), (Follower, "_describe")])
def test_follower_leads_again(
    stores: RealStores, start_follower: StartFollower, failing: Failing, owner: type, method: str
) -> None:
    failed = failing(owner, method)
    stores.number()
    start_follower()
    assert failed.wait(10)
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)


def test_database_whose_feed_failed_is_read(
    stores: RealStores, start_follower: StartFollower, failing: Failing
) -> None:
    failed = failing(ChangesFeed, "changes", lambda feed: feed.path[0] == SHARD)
    stores.number()
    start_follower(**RARELY)
    eventually(lambda: stores.cached() == ONE)
    stores.number(account=TWO)
    assert failed.wait(10)
    stores.number(account=ONE)
    eventually(lambda: stores.cached() == ONE)


def test_database_whose_retry_could_not_be_scheduled_is_read(
    stores: RealStores, start_follower: StartFollower, failing: Failing
) -> None:
    failing(CatchUp, "run", lambda _, database, *__: database.name == SHARD)
    failed = failing(DatabaseScheduler, "schedule_later", lambda _, database, __: database.name == SHARD)
    stores.number()
    start_follower(**RARELY)
    assert failed.wait(10)
    eventually(lambda: stores.cached() == ONE)


def test_lease_that_is_not_renewed_counts_as_lost(stores: RealStores, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(_: Lease) -> int:
        raise RuntimeError("nobody expects this")

    with Leadership(Lease(stores.redis, stores.keys, 0.3)) as leadership:
        assert leadership.token
        monkeypatch.setattr(Lease, "acquire", acquire)
        assert leadership.lost.wait(10)
