"""A feed brings every change, ends on request, and never hangs."""

import threading
import time
from pathlib import Path

import pytest

from router.couch.changes import ChangesFeed, DatabaseEvent, DatabaseUpdatesFeed
from router.couch.client import CouchClient
from router.couch.errors import CouchError, CouchRefused, CouchUnavailable, NotFoundError
from router.couch.responses import Change
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.component.couch.conftest import ServerProcess
from tests.support.waiting import eventually

NAME = "numbers/+1415"


class Reading:
    """A thread that reads a feed until it ends."""

    def __init__(self, feed: ChangesFeed | DatabaseUpdatesFeed) -> None:
        self.feed = feed
        self.rows: list[Change | DatabaseEvent | None] = []
        self.problem: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.feed.open()
            rows = self.feed.changes() if isinstance(self.feed, ChangesFeed) else self.feed.events()
            for row in rows:
                self.rows.append(row)
        except CouchError as problem:
            self.problem = problem

    @property
    def ended(self) -> bool:
        return not self.thread.is_alive()


def test_changes_come_as_they_are_made(databases: CouchServer) -> None:
    databases.database(NAME).create()
    databases.database(NAME).put({"_id": "+14150000001"})
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 0.5))
    eventually(lambda: any(isinstance(row, Change) for row in reading.rows))
    revision = databases.database(NAME).put({"_id": "+14150000002", "name": "two"})
    made = eventually(lambda: [row for row in reading.rows if isinstance(row, Change) and row.id == "+14150000002"])
    assert made[0].revision == revision
    assert (made[0].document or {})["name"] == "two"
    databases.database(NAME).delete("+14150000002", revision)
    eventually(lambda: [row for row in reading.rows if isinstance(row, Change) and row.deleted])
    reading.feed.close()
    eventually(lambda: reading.ended)


def test_idle_feed_closes_from_another_thread_without_an_error(databases: CouchServer) -> None:
    databases.database(NAME).create()
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 60.0))
    eventually(lambda: reading.rows, 5)
    reading.feed.close()
    eventually(lambda: reading.ended, 5)
    assert reading.problem is None


@pytest.mark.parametrize("attempt", range(10))
def test_closing_in_the_middle_of_a_heartbeat_is_no_error(databases: CouchServer, attempt: int) -> None:
    databases.database(NAME).create()
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 0.01))
    eventually(lambda: len(reading.rows) > attempt, 5)
    reading.feed.close()
    eventually(lambda: reading.ended, 5)
    assert reading.problem is None


def test_updates_feed_closes_from_another_thread_without_an_error(databases: CouchServer) -> None:
    reading = Reading(DatabaseUpdatesFeed(databases.client, databases.updates_now(), 0.5))
    eventually(lambda: reading.rows, 5)
    reading.feed.close()
    eventually(lambda: reading.ended, 5)
    assert reading.problem is None


def test_feed_closed_before_it_opened_ends_at_once(databases: CouchServer) -> None:
    databases.database(NAME).create()
    feed = ChangesFeed(databases.client, NAME, "0", 60.0)
    feed.close()
    reading = Reading(feed)
    eventually(lambda: reading.ended, 5)


def test_dropped_database_ends_its_feed_cleanly(databases: CouchServer) -> None:
    databases.database(NAME).create()
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 60.0))
    eventually(lambda: reading.rows, 5)
    databases.database(NAME).drop()
    eventually(lambda: reading.ended, 5)
    assert reading.problem is None


def test_database_that_is_not_there_has_no_feed(databases: CouchServer) -> None:
    with pytest.raises(NotFoundError):
        ChangesFeed(databases.client, NAME, "0", 1.0).open()


def test_stopped_servers_feed_is_cut(tmp_path: Path) -> None:
    server = EmbeddedCouchDB(directory=tmp_path).start()
    databases = CouchServer(CouchClient(server.url, timeout=5.0))
    databases.database(NAME).create()
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 60.0))
    eventually(lambda: reading.rows, 5)
    server.close()
    eventually(lambda: reading.ended, 5)
    assert isinstance(reading.problem, CouchUnavailable)


def test_silent_feed_ends(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=5.0))
    databases.database(NAME).create()
    reading = Reading(ChangesFeed(databases.client, NAME, "0", 0.1))
    eventually(lambda: reading.rows, 5)
    process.freeze()
    eventually(lambda: reading.ended, 30)
    assert isinstance(reading.problem, CouchUnavailable)


def test_rows_come_from_open_feeds_only(databases: CouchServer) -> None:
    with pytest.raises(CouchUnavailable, match="not open"):
        next(iter(ChangesFeed(databases.client, NAME, "0", 1.0).rows()))


def test_updates_tell_what_happened_after_the_sequence_asked_for(databases: CouchServer) -> None:
    since = databases.updates_now()
    databases.database(NAME).create()
    reading = Reading(DatabaseUpdatesFeed(databases.client, since, 0.2))
    eventually(lambda: DatabaseEvent(NAME, "created") in reading.rows, 5)
    databases.database(NAME).drop()
    eventually(lambda: DatabaseEvent(NAME, "deleted") in reading.rows, 5)
    reading.feed.close()


def test_server_without_global_changes_says_so(databases: CouchServer) -> None:
    databases.database("_global_changes").drop()
    with pytest.raises(NotFoundError):
        databases.updates_now()


def test_refused_feed_is_a_refusal(server: EmbeddedCouchDB) -> None:
    couch = CouchClient(server.url.replace("password", "wrong"), timeout=5.0)
    with pytest.raises(CouchRefused):
        DatabaseUpdatesFeed(couch, "now", 1.0).open()


def test_many_feeds_at_once_each_bring_their_own(databases: CouchServer) -> None:
    names = [f"numbers/+14{index:02}" for index in range(20)]
    for name in names:
        databases.database(name).create()
    readings = [Reading(ChangesFeed(databases.client, name, "0", 5.0)) for name in names]
    for index, name in enumerate(names):
        databases.database(name).put({"_id": f"+14{index:02}0000000"})
    for index, reading in enumerate(readings):
        changes = eventually(
            lambda reading=reading: [row for row in reading.rows if isinstance(row, Change)]  # type: ignore[misc]
        )
        assert [change.id for change in changes] == [f"+14{index:02}0000000"]
    began = time.monotonic()
    for reading in readings:
        reading.feed.close()
    for reading in readings:
        eventually(lambda reading=reading: reading.ended, 5)  # type: ignore[misc]
    assert all(reading.problem is None for reading in readings), began
