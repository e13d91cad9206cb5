"""Changes that a listing stood in for are read later, without holding up what the feed brings meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import Mock

from router.couch.errors import ResponseLost
from router.couch.responses import Change, ChangesPage
from router.follower.followed_database import FollowedDatabase, ListedPage
from router.follower.listed_changes import FIRST_REREAD_INTERVALS, REREAD_INTERVAL, ListedChanges, next_interval
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.checkpoints import Checkpoint
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
LISTED = Checkpoint(epoch="e", complete=True, stuck_seq="0-x")
ROWS = [Change("", f"+1415886790{digit}", "1-a", deleted=False, document=None) for digit in range(3)]
PAGES = [ChangesPage([row], f"{at}-x", 0) for at, row in enumerate(ROWS, 1)] + [ChangesPage([], "3-x", 0)]


class Bench:
    """A reader of listed changes whose CouchDB and cache are mocks, and a worker that applies what it reads."""

    def __init__(self, replication_time: float = 60.0) -> None:
        self.patient, self.impatient, self.checkpoints, self.applier = Mock(), Mock(), Mock(), Mock()
        self.applier.apply.side_effect = lambda _name, checkpoint, *_, **__: checkpoint
        self.scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=1.0)
        self.reader = ListedChanges(
            self.scheduler,
            self.patient,
            self.impatient,
            self.checkpoints,
            self.applier,
            page=1,
            replication_time=replication_time,
        )
        self.database = self.scheduler.register(SHARD, LISTED) or FollowedDatabase(SHARD)

    @property
    def applied(self) -> list[Change]:
        """Return the rows applied so far."""
        return [row for call in self.applier.apply.call_args_list for row in call.args[2]]

    @contextmanager
    def running(self) -> Iterator[None]:
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        self.reader.start()
        yield
        self.scheduler.stop.set()
        self.reader.close()
        self.scheduler.close(1)
        worker.join()

    def was_tried(self, times: int) -> bool:
        return bool(self.impatient.database.return_value.changes.call_count == times)

    def wake(self) -> None:
        for thread in self.reader._threads:
            thread.wake()

    def _work(self) -> None:
        while not self.scheduler.stop.is_set():
            database = self.scheduler.next()
            if database is not None:
                self.reader.apply(database)
                self.scheduler.done(database)


def page(**changes: Any) -> ListedPage:
    return replace(ListedPage(ROWS, "e", time.monotonic(), is_last=True), **changes)


def test_pages_are_read_one_by_one_and_applied_by_a_worker() -> None:
    bench = Bench()
    bench.impatient.database.return_value.changes.side_effect = PAGES
    with bench.running():
        bench.reader.watch(bench.database)
        eventually(lambda: bench.database.first_reread_at is not None)
    assert bench.applied == ROWS
    assert [each.args[0] for each in bench.impatient.database.return_value.changes.call_args_list] == [
        "0-x",
        "1-x",
        "2-x",
        "3-x",
    ]


def test_changes_that_hang_hold_up_no_worker() -> None:
    bench, hanging = Bench(), threading.Event()
    bench.impatient.database.return_value.changes.side_effect = lambda *_: hanging.wait(10)
    with bench.running():
        bench.reader.watch(bench.database)
        eventually(lambda: bench.impatient.database.return_value.changes.called)
        bench.database.listed_page = each = page()
        with bench.scheduler.lock:
            bench.scheduler.schedule(bench.database)
        assert each.done.wait(2)
        hanging.set()


def test_listed_again_is_read_soon_again() -> None:
    bench = Bench()
    bench.impatient.database.return_value.changes.side_effect = ResponseLost("hangs")
    with bench.running():
        bench.database.reread_at = time.monotonic() + REREAD_INTERVAL
        bench.reader.watch(bench.database)
        time.sleep(0.2)
        bench.database.reread_at = time.monotonic() + 0.2
        bench.reader.watch(bench.database)
        eventually(lambda: bench.was_tried(1))


def test_database_that_is_followed_no_more_is_not_read() -> None:
    bench = Bench()
    with bench.running():
        bench.scheduler.remove(SHARD)
        bench.database.reread_at = 0.0
        bench.reader.watch(bench.database)
        time.sleep(0.3)
        assert not bench.impatient.database.called
        assert not bench.reader._waiting


def test_first_attempts_come_soon_unless_a_shard_is_split() -> None:
    database = FollowedDatabase(SHARD)
    assert next_interval(database, now=1000.0) == FIRST_REREAD_INTERVALS[0]
    database.split_at = 990.0
    assert next_interval(database, now=1000.0) == REREAD_INTERVAL
    database.split_at, database.rereads = 0.0, len(FIRST_REREAD_INTERVALS)
    assert next_interval(database, now=1000.0) == REREAD_INTERVAL


def test_attempts_after_the_first_ones_are_patient() -> None:
    bench = Bench()
    bench.patient.database.return_value.changes.return_value = ChangesPage([], "3-x", 0)
    bench.impatient.database.return_value.changes.side_effect = ResponseLost("hangs")
    with bench.running():
        for attempt in range(1, len(FIRST_REREAD_INTERVALS) + 1):
            bench.database.reread_at = 0.0
            bench.reader.watch(bench.database)
            bench.wake()
            eventually(partial(bench.was_tried, attempt))
        assert (bench.patient.database.called, bench.database.first_reread_at) == (False, None)
        bench.database.reread_at = 0.0
        bench.wake()
        eventually(lambda: bench.database.first_reread_at is not None)


def test_changes_read_twice_and_late_enough_are_done() -> None:
    bench = Bench()
    bench.database.listed_page = page()
    bench.reader.apply(bench.database)
    assert (bench.database.checkpoint.stuck_seq, bench.checkpoints.clear_stuck.called) == ("0-x", False)
    bench.database.listed_page = page(began=time.monotonic() + 60.0)
    bench.reader.apply(bench.database)
    assert bench.database.checkpoint.stuck_seq == ""
    bench.checkpoints.clear_stuck.assert_called_once_with(SHARD, "0-x")


def test_page_read_before_another_listing_ends_nothing() -> None:
    bench = Bench()
    bench.database.listed_page, bench.database.listed_at = page(), time.monotonic() + 1
    bench.reader.apply(bench.database)
    assert (bench.applied, bench.database.first_reread_at) == (ROWS, None)


def test_page_of_a_former_instance_is_not_applied() -> None:
    bench = Bench()
    bench.database.listed_page = each = page(epoch="d")
    bench.reader.apply(bench.database)
    assert (bench.applied, each.is_applied, each.done.is_set()) == ([], False, True)


def test_recreated_database_holds_up_no_other_while_its_former_one_is_read() -> None:
    bench = Bench()
    other = bench.scheduler.register("numbers/+1416", LISTED)
    assert other is not None
    bench.database.reread_at, other.reread_at = 0.0, 1.0
    bench.reader._waiting = {SHARD: bench.database, other.name: other}
    bench.reader._reading = {SHARD: FollowedDatabase(SHARD)}
    assert bench.reader._take() == (other, None)
