"""Changes that a listing stood in for are read later, without holding up what the feed brings meanwhile."""

import threading
from unittest.mock import Mock

from router.couch.errors import ResponseLost
from router.couch.responses import Change, ChangesPage
from router.follower.followed_database import FollowedDatabase
from router.follower.listed_changes import FIRST_REREAD_INTERVALS, REREAD_INTERVAL, ListedChanges, next_interval
from router.follower.scheduler import DatabaseScheduler
from router.redis_store.checkpoints import Checkpoint

SHARD = "numbers/+1415"


def test_rows_of_the_feed_are_applied_after_each_page() -> None:
    rows = [Change("", f"+1415886790{digit}", "1-a", deleted=False, document=None) for digit in range(3)]
    pages = [ChangesPage([row], f"{at}-x", 0) for at, row in enumerate(rows, 1)] + [ChangesPage([], "3-x", 0)]
    couch, applier, steps = Mock(), Mock(), list[str]()
    couch.database.return_value.changes.side_effect = pages

    def apply(_name: str, checkpoint: Checkpoint, *_: object, **__: object) -> Checkpoint:
        steps.append("page")
        return checkpoint

    applier.apply.side_effect = apply
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=1.0)
    reader = ListedChanges(scheduler, Mock(), couch, Mock(), applier, page=1, replication_time=60.0)
    database = FollowedDatabase(SHARD, Checkpoint(epoch="e", complete=True, stuck_seq="0-x"))
    reader.read_due(database, lambda _: steps.append("feed"))
    assert steps == ["page", "feed"] * 3 + ["feed"]


def test_first_attempts_come_soon_unless_a_shard_is_split() -> None:
    database = FollowedDatabase(SHARD)
    assert next_interval(database, now=1000.0) == FIRST_REREAD_INTERVALS[0]
    database.split_at = 990.0
    assert next_interval(database, now=1000.0) == REREAD_INTERVAL
    database.split_at, database.rereads = 0.0, len(FIRST_REREAD_INTERVALS)
    assert next_interval(database, now=1000.0) == REREAD_INTERVAL


def test_attempts_after_the_first_ones_are_patient() -> None:
    patient, impatient = Mock(), Mock()
    patient.database.return_value.changes.return_value = ChangesPage([], "3-x", 0)
    impatient.database.return_value.changes.side_effect = ResponseLost("hangs")
    scheduler = DatabaseScheduler(threading.Event(), feed_check_interval=1.0)
    reader = ListedChanges(scheduler, patient, impatient, Mock(), Mock(), page=1, replication_time=60.0)
    database = FollowedDatabase(SHARD, Checkpoint(epoch="e", complete=True, stuck_seq="0-x"), reread_scheduled=True)
    for _ in FIRST_REREAD_INTERVALS:
        database.reread_at = 0.0
        reader.read_due(database, lambda _: None)
    assert (patient.database.called, database.first_reread_at) == (False, None)
    database.reread_at = 0.0
    reader.read_due(database, lambda _: None)
    assert database.first_reread_at is not None
