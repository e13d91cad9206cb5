"""A feed that brings nothing, or an answer that does not come, is passed: a cluster has other copies."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from router.couch.changes import ChangesFeed
from router.couch.client import CouchClient
from router.couch.database import CouchDatabase
from router.couch.responses import Change
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.follower import catch_up, listed_changes
from router.follower.leader_session import LeaderSession
from tests.integration.real_stores import ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SHARD = "numbers/+1415"


def _feed(sessions: Sequence[LeaderSession]) -> ChangesFeed | None:
    # A busy machine may have lost a lease meanwhile: the last session is the one that leads.
    return next((each.feed for each in sessions[-1].scheduler.databases() if each.name == SHARD), None)


def test_database_that_is_reported_deleted_and_exists_gets_another_feed(
    on_cluster: RealStores, sessions: list[LeaderSession], follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "YOUNG_AGE", 0.5)
    on_cluster.number()
    time.sleep(1.6)  # start times and the server's clock count whole seconds
    follow(follower_reconcile_interval=120.0)
    eventually(lambda: on_cluster.complete(SHARD))
    on_cluster.number(account=TWO)
    eventually(lambda: _feed(sessions) is not None and on_cluster.cached() == TWO)
    epoch, former = on_cluster.writer.checkpoints.epoch(SHARD), _feed(sessions)
    sessions[-1].scheduler.wake(SHARD, deleted=True)
    eventually(lambda: _feed(sessions) not in {None, former})
    assert on_cluster.writer.checkpoints.epoch(SHARD) == epoch


def test_database_that_is_reported_deleted_and_exists_is_listed(
    on_cluster: RealStores,
    cluster: EmbeddedCluster,
    sessions: list[LeaderSession],
    follow: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catch_up, "YOUNG_AGE", 0.5)
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 60.0)  # the database is listed after that, too
    on_cluster.number()
    time.sleep(1.6)  # start times and the server's clock count whole seconds
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=120.0, follower_lease_ttl=60.0, follower_timeout=60.0)
        eventually(lambda: on_cluster.complete(SHARD))
        relay.hold(lambda _, target: f"{SHARD}/_changes" in target and "since=now" not in target)
        on_cluster.number(account=TWO)
        sessions[-1].scheduler.wake(SHARD, deleted=True)
        eventually(lambda: on_cluster.cached() == TWO, 15)


def test_shard_split_that_is_not_read_yet_is_published_as_lag(
    on_cluster: RealStores,
    cluster: EmbeddedCluster,
    sessions: list[LeaderSession],
    follow: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service marks answers by it long before `stale_after`: nobody knows yet which numbers have changed."""
    monkeypatch.setattr(catch_up, "YOUNG_AGE", 0.5)
    on_cluster.number()
    time.sleep(1.6)  # start times and the server's clock count whole seconds
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=120.0, follower_lease_ttl=60.0, follower_timeout=60.0)
        eventually(lambda: on_cluster.complete(SHARD) and (status := on_cluster.status()) and status.split_lag == 0)
        relay.hold(lambda _, target: f"{SHARD}/_all_docs" in target)
        sessions[-1].scheduler.wake(SHARD, deleted=True)
        eventually(lambda: (status := on_cluster.status()) and status.split_lag > 1)
        relay.release()
        eventually(lambda: (status := on_cluster.status()) and status.split_lag == 0)


def test_feed_that_misses_changes_is_replaced(
    on_cluster: RealStores, sessions: list[LeaderSession], follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf: set[ChangesFeed] = set()
    changes = ChangesFeed.changes

    def changes_unless_deaf(feed: ChangesFeed) -> Iterator[Change | None]:
        yield from (change for change in changes(feed) if change is None or feed not in deaf)

    monkeypatch.setattr(ChangesFeed, "changes", changes_unless_deaf)
    on_cluster.number()
    # A new session, or a feed that is closed, would open another one without that.
    follow(follower_reconcile_interval=120.0, follower_lease_ttl=60.0, follower_feed_idle_timeout=60.0)
    eventually(lambda: on_cluster.complete(SHARD))
    on_cluster.number(account=TWO)
    eventually(lambda: _feed(sessions) is not None and on_cluster.cached() == TWO)
    former = _feed(sessions)
    assert former is not None
    deaf.add(former)
    on_cluster.number(account=THREE)
    eventually(lambda: on_cluster.cached() == THREE)
    eventually(lambda: _feed(sessions) not in {None, former})


def test_frozen_node_is_passed_by_listing(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    cluster.maintenance(1)  # the follower's sequences name nodes 1 and 3
    kept, moved, deleted = on_cluster.numbers(SHARD, 3)
    follow(follower_reconcile_interval=120.0, follower_heartbeat=20.0, stale_after=2.0)
    eventually(lambda: on_cluster.complete(SHARD))
    on_cluster.number(kept, TWO)
    eventually(lambda: on_cluster.cached(kept) == TWO)
    cluster.maintenance(1, on=False)
    time.sleep(0.5)  # a write to a document of which one copy is late waits for a node that is frozen
    cluster.freeze(2)
    began = time.monotonic()
    on_cluster.databases = CouchServer(CouchClient(cluster.url, timeout=20))
    on_cluster.number(moved, THREE)
    on_cluster.remove(SHARD, deleted)
    eventually(lambda: on_cluster.cached(moved) == THREE and on_cluster.cached(deleted) == "deleted", 15)
    assert time.monotonic() - began < 15, "before the cluster calls the node down"
    assert on_cluster.cached(kept) == TWO


def test_feed_that_drops_rows_is_passed_by_listing(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    stuck, changes = threading.Event(), ChangesFeed.changes

    def changes_until_stuck(feed: ChangesFeed) -> Iterator[Change | None]:
        yield from (change for change in changes(feed) if change is None or not stuck.is_set())

    monkeypatch.setattr(ChangesFeed, "changes", changes_until_stuck)
    kept, moved = on_cluster.numbers(SHARD, 2)
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        # A new session, or a feed that is closed, would read the database without that.
        follow(follower_reconcile_interval=120.0, follower_lease_ttl=60.0, follower_feed_idle_timeout=60.0)
        eventually(lambda: on_cluster.complete(SHARD))
        on_cluster.number(kept, TWO)
        eventually(lambda: on_cluster.cached(kept) == TWO and relay.count(r"numbers/\+1415/_changes.*continuous") > 0)
        time.sleep(0.3)  # a copy that lags would make for a second read of what was read
        stuck.set()
        relay.hold(lambda _, target: f"{SHARD}/_changes" in target and "since=now" not in target)
        on_cluster.number(moved, THREE)
        eventually(lambda: on_cluster.cached(moved) == THREE, 15)
        assert on_cluster.cached(kept) == TWO


def test_change_missing_from_a_listing_is_read_once_possible(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    monkeypatch.setattr(listed_changes, "REREAD_INTERVAL", 1.0)
    kept, moved = on_cluster.numbers(SHARD, 2)
    time.sleep(0.3)  # a copy that lags would make for a second read, and that for a feed
    before, listings = list(on_cluster.databases.database(SHARD).revisions(10)), []

    def list_a_copy_that_lags(database: CouchDatabase, page: int) -> Iterator[dict[str, str]]:
        listings.append(page)
        yield from before

    monkeypatch.setattr(CouchDatabase, "revisions", list_a_copy_that_lags)
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        follow(follower_reconcile_interval=4.0)
        eventually(lambda: on_cluster.complete(SHARD))
        relay.hold(lambda _, target: f"{SHARD}/_changes" in target and "since=now" not in target)
        on_cluster.number(moved, THREE)
        eventually(lambda: bool(on_cluster.writer.checkpoints.get(SHARD).stuck_seq))
        assert listings
        assert on_cluster.cached(moved) == ONE
        relay.release()
        eventually(lambda: on_cluster.cached(moved) == THREE)
        eventually(lambda: not on_cluster.writer.checkpoints.get(SHARD).stuck_seq)
        assert on_cluster.cached(kept) == ONE


def test_one_request_that_hangs_does_not_hold_a_database_up(
    on_cluster: RealStores, cluster: EmbeddedCluster, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STUCK_TIMEOUT", 0.5)
    on_cluster.number()
    with Relay(cluster.url) as relay:
        on_cluster.couchdb_url = relay.url
        # A copy that lags makes for a second read, and that for a feed, which would bring the change without a request.
        follow(follower_reconcile_interval=120.0, follower_max_feeds=0)
        eventually(lambda: on_cluster.complete(SHARD))
        hung: list[str] = []

        def is_first_question(method: str, target: str) -> bool:
            if method != "GET" or target != f"/{SHARD}" or hung:
                return False
            hung.append(target)
            return True

        relay.hold(is_first_question)
        # A feed of database updates that was lost is followed by a sweep, which brings a change without the question.
        for account in (TWO, ONE, TWO, ONE):
            on_cluster.number(account=account)
            eventually(lambda: on_cluster.cached() == account, 5.0)  # noqa: B023 - it ends before the next account
            if hung:
                return
        raise AssertionError("the follower asked nothing")
