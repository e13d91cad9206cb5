"""The scheduler hands each database with work to one worker, and forgets no wake-up."""

import threading
import time

import pytest

from router.couch.responses import DatabaseInfo
from router.follower.followed_database import QUIET_TIME, SPLIT_TIME, FollowedDatabase
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.checkpoints import Checkpoint
from tests.support.waiting import eventually

SHARD, OTHER = "numbers/+1415", "numbers/+1416"
COMPLETE = Checkpoint(epoch="e", complete=True)


@pytest.fixture
def scheduler() -> DatabaseScheduler:
    return DatabaseScheduler(threading.Event(), feed_check_interval=0.1)


class Feed:
    """Stands for a database's own feed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def with_feed(scheduler: DatabaseScheduler) -> FollowedDatabase:
    database = scheduler.register(SHARD, COMPLETE)
    assert database is not None
    database.feed = Feed()  # type: ignore[assignment]
    database.checked_at = database.last_row_at = time.monotonic()
    return database


def taken(scheduler: DatabaseScheduler) -> FollowedDatabase:
    database = scheduler.next()
    assert database is not None
    return database


def test_woken_database_is_handed_out_once(scheduler: DatabaseScheduler) -> None:
    scheduler.wake(SHARD)
    scheduler.wake(SHARD)
    scheduler.wake(OTHER)
    assert [taken(scheduler).name, taken(scheduler).name] == [SHARD, OTHER]


def test_database_woken_while_it_is_worked_on_is_handed_out_again(scheduler: DatabaseScheduler) -> None:
    scheduler.wake(SHARD)
    first = taken(scheduler)
    scheduler.wake(SHARD)
    assert not first.queued
    scheduler.done(first)
    assert taken(scheduler) is first


def test_reference_databases_come_before_shards(scheduler: DatabaseScheduler) -> None:
    scheduler.wake(SHARD)
    scheduler.wake("accounts")
    assert taken(scheduler).name == "accounts"


@pytest.mark.parametrize("name", ["numbers/managed", "account/aa/bb/cc", "_users"])
def test_database_that_no_lookup_reads_is_not_followed(scheduler: DatabaseScheduler, name: str) -> None:
    scheduler.wake(name)
    assert scheduler.databases() == []


def test_registered_database_is_not_registered_twice(scheduler: DatabaseScheduler) -> None:
    assert scheduler.register(SHARD, COMPLETE) is not None
    assert scheduler.register(SHARD, COMPLETE) is None


def test_database_with_a_feed_is_checked_after_the_interval(scheduler: DatabaseScheduler) -> None:
    database = with_feed(scheduler)
    scheduler.wake(SHARD)
    assert database.check_requested
    assert not database.queued
    assert database.pending_since is None
    eventually(lambda: database.queued, 2)


@pytest.mark.parametrize("reason", ["split", "overtaken", "no row for an event"])
def test_feed_that_may_be_deaf_is_checked_more_often(reason: str) -> None:
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=60.0)
    database = with_feed(scheduler)
    if reason == "split":
        database.split_at = time.monotonic()
    elif reason == "no row for an event":
        database.last_row_at -= QUIET_TIME + 1
    else:
        database.overtaken = {"+14158867900"}
    scheduler.wake(SHARD)
    eventually(lambda: database.queued, 10)


def test_feed_whose_row_comes_after_its_event_is_not_in_doubt() -> None:
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=60.0)
    database = with_feed(scheduler)
    database.last_row_at -= QUIET_TIME + 1
    scheduler.wake(SHARD)
    database.last_row_at = time.monotonic()
    time.sleep(0.8)  # longer than the interval of doubtful feeds
    assert not database.queued


def test_check_that_was_queued_too_early_is_scheduled_again() -> None:
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=1.0)
    database = with_feed(scheduler)
    database.overtaken = {"+14158867900"}
    scheduler.wake(SHARD)
    eventually(lambda: database.queued, 10)
    database.overtaken.clear()
    assert taken(scheduler) is database
    assert not scheduler.claim_check(database)
    scheduler.done(database)
    eventually(lambda: database.queued, 10)
    assert scheduler.claim_check(taken(scheduler))


def test_reported_deletion_does_not_wait_for_a_check_that_is_due_later() -> None:
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=60.0)
    database = with_feed(scheduler)
    scheduler.wake(SHARD)
    assert not database.queued
    scheduler.wake(SHARD, deleted=True)
    assert database.queued


def test_reported_deletion_is_checked_at_once(scheduler: DatabaseScheduler) -> None:
    database = with_feed(scheduler)
    scheduler.wake(SHARD, deleted=True)
    assert database.queued


def test_waking_all_closes_feeds_and_reads_everything(scheduler: DatabaseScheduler) -> None:
    database = with_feed(scheduler)
    feed = database.feed
    scheduler.wake_all()
    assert isinstance(feed, Feed)
    assert feed.closed
    assert database.queued
    assert database.pending_since is not None


def test_only_databases_without_work_are_idle(scheduler: DatabaseScheduler) -> None:
    scheduler.register(SHARD, COMPLETE)
    scheduler.register(OTHER, Checkpoint(epoch="e"))
    assert scheduler.idle_checkpoints([SHARD, OTHER, "accounts"]) == {SHARD: COMPLETE}
    scheduler.wake(SHARD)
    assert scheduler.idle_checkpoints([SHARD]) == {}


def test_idle_database_is_read_again_unless_it_changed(scheduler: DatabaseScheduler) -> None:
    database = scheduler.register(SHARD, COMPLETE)
    assert database is not None
    assert not scheduler.reread_if_unchanged(SHARD, Checkpoint(epoch="other", complete=True))
    assert scheduler.reread_if_unchanged(SHARD, COMPLETE)
    assert database.needs_reread
    assert not scheduler.reread_if_unchanged(SHARD, COMPLETE), "it has work now"


def test_earliest_pending_change_includes_those_being_applied(scheduler: DatabaseScheduler) -> None:
    assert scheduler.earliest_pending() is None
    scheduler.wake(SHARD)
    since = scheduler.earliest_pending()
    database = taken(scheduler)
    assert scheduler.earliest_pending() == since
    scheduler.done(database)
    assert scheduler.earliest_pending() is None


def test_reserved_database_is_kept_from_workers(scheduler: DatabaseScheduler) -> None:
    database = scheduler.reserve("system_config")
    scheduler.wake("system_config")
    assert not database.queued
    scheduler.release(database)
    scheduler.wake("system_config")
    assert taken(scheduler) is database


def test_wake_up_records_the_copies_positions(scheduler: DatabaseScheduler) -> None:
    scheduler.wake(SHARD, info=DatabaseInfo(SHARD, "1", {"node a": "7"}, 0, 1, copies_kept=3))
    assert {copy: seen[0] for copy, seen in taken(scheduler).observed_copies.items()} == {"node a": "7"}


def test_wake_after_the_session_adds_no_database(scheduler: DatabaseScheduler) -> None:
    scheduler.stop.set()
    scheduler.wake(SHARD)
    assert scheduler.databases() == []


def test_closing_releases_waiting_workers(scheduler: DatabaseScheduler) -> None:
    waiting = threading.Thread(target=scheduler.next)
    waiting.start()
    scheduler.close(workers=1)
    waiting.join(5)
    assert not waiting.is_alive()


def test_splitting_database_is_listed_until_the_split_is_long_over(scheduler: DatabaseScheduler) -> None:
    database = scheduler.register(SHARD, COMPLETE)
    assert database is not None
    scheduler.wake(OTHER)
    assert scheduler.splitting(time.monotonic()) == []
    scheduler.wake(SHARD, deleted=True)
    assert scheduler.splitting(time.monotonic()) == [database]
    database.deletion_reported, database.split_at = False, time.monotonic()
    assert scheduler.splitting(time.monotonic()) == [database]
    assert scheduler.splitting(time.monotonic() + SPLIT_TIME) == []


def test_database_that_was_really_deleted_is_not_splitting(scheduler: DatabaseScheduler) -> None:
    scheduler.register(SHARD, COMPLETE)
    scheduler.wake(SHARD, deleted=True)
    scheduler.remove(SHARD)
    assert scheduler.splitting(time.monotonic()) == []


def test_reserved_database_that_was_woken_is_queued_at_its_release(scheduler: DatabaseScheduler) -> None:
    database = scheduler.reserve(SHARD)
    scheduler.wake(SHARD)
    assert not database.queued
    scheduler.release(database)
    assert taken(scheduler) is database
