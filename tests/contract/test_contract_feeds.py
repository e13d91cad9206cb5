"""Continuous and longpoll `_changes`: rows, their timing, and the end of a feed."""

import json
import threading
import time
from collections.abc import Callable
from http.client import IncompleteRead

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database

FIRST, SECOND = "+14155550100", "+14155550101"


def test_continuous_feed_brings_what_is_there_and_what_comes(database: Database) -> None:
    database.save(FIRST)
    with database.feed("feed=continuous&heartbeat=5000&include_docs=true") as feed:
        row = feed.row()
        assert (row["id"], row["doc"]) == (FIRST, database.load(FIRST))
        database.save(SECOND)
        row = feed.row()
        assert (row["id"], row["doc"]) == (SECOND, database.load(SECOND))
        assert set(row) == {"seq", "id", "changes", "doc"}


def test_write_reaches_an_open_feed_soon(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=10000&since=now") as feed:
        assert feed.line() == b"\n"
        for n in range(20):
            written = time.monotonic()
            database.save(f"+141555502{n:02}")
            assert feed.row()["id"] == f"+141555502{n:02}"
            assert time.monotonic() - written < 1


def test_idle_feed_starts_with_a_newline(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=10000") as feed:
        assert feed.response.status == 200
        assert feed.response.headers["Transfer-Encoding"] == "chunked"
        assert feed.line() == b"\n"
        assert feed.seconds() < 1


def test_newline_comes_before_each_change(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=10000&since=now") as feed:
        assert feed.line() == b"\n"
        for number in (FIRST, SECOND):
            database.save(number)
            assert feed.line() == b"\n"
            line = feed.line()
            while line == b"\n" and database.couch.copies > 1:  # one for each copy that gets it
                line = feed.line()
            assert number.encode() in line


def test_heartbeats_are_newlines_on_time(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=300&since=now") as feed:
        assert [feed.line() for _ in range(4)] == [b"\n"] * 4
        assert (0.8 if database.couch.copies == 1 else 0.5) < feed.seconds() < 2  # a cluster may send one too many


def test_heartbeat_disables_the_timeout(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=200&timeout=300&since=now") as feed:
        while feed.seconds() < 1:
            assert feed.line() == b"\n"


def test_without_a_heartbeat_the_timeout_ends_the_feed(database: Database) -> None:
    database.save(FIRST)
    with database.feed("feed=continuous&timeout=400") as feed:
        row, ending = feed.rest()
        assert row["id"] == FIRST
        assert "id" not in ending
        assert ending["pending"] == 0
        if database.couch.copies == 1:
            assert ending["last_seq"] == row["seq"]
        else:  # the range without rows has been read from a copy by then, which the end names
            assert ending["last_seq"].startswith("1-")
        assert 0.3 < feed.seconds() < 2


def test_limit_ends_the_feed(database: Database) -> None:
    database.save(FIRST)
    database.save(SECOND)
    with database.feed("feed=continuous&heartbeat=5000&limit=1") as feed:
        row, ending = feed.rest()
        assert ending == {"last_seq": row["seq"], "pending": 1}


@pytest.mark.parametrize("kind", ["continuous", "longpoll"])
@pytest.mark.parametrize("wait", ["heartbeat=5000", "timeout=9000"])
def test_database_deleted_ends_the_feed_cleanly_at_once(database: Database, kind: str, wait: str) -> None:
    database.save(FIRST)
    seen = database.changes()["last_seq"]
    with database.feed(f"feed={kind}&{wait}&since={seen}") as feed:
        feed.line()
        database.drop()
        body = feed.ending()
        assert feed.seconds() < 2
    if database.couch.copies == 1 or body.strip():
        assert b'"last_seq":"1-' in body
        assert b'"pending":0}' in body
    assert database.couch.get(f"{database.path}/_changes").status == 404


def test_feed_does_not_carry_on_in_a_database_made_anew(database: Database) -> None:
    with database.feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        database.drop()
        database.create()
        database.save(FIRST)
        rows = [json.loads(line) for line in feed.ending().splitlines() if line.strip()]
        assert [set(row) for row in rows] in ([{"last_seq", "pending"}], [] if database.couch.copies > 1 else None)


def test_longpoll_with_an_old_since_returns_at_once(database: Database) -> None:
    database.save(FIRST)
    database.save(SECOND)
    with database.feed("feed=longpoll&since=0&timeout=9000") as feed:
        body = feed.response.read()
        assert FIRST.encode() in body
        assert SECOND.encode() in body
        assert feed.seconds() < 1


def test_longpoll_waits_for_the_first_change(database: Database) -> None:
    with database.feed("feed=longpoll&since=now&timeout=9000") as feed:
        assert feed.line() == b'{"results":[\n'
        assert feed.line() == b"\n"
        database.save(FIRST)
        body = feed.response.read()
        newlines = len(body) - len(body.lstrip(b"\n"))
        assert newlines == 1 or (newlines > 1 and database.couch.copies > 1)
        assert body.lstrip(b"\n").startswith(b'{"seq":"1-')
        assert body.rstrip().endswith(b'"pending":0}')
        assert feed.seconds() < 2


def test_longpoll_ends_with_nothing_on_the_timeout(database: Database) -> None:
    answer = database.changes("feed=longpoll&since=now&timeout=300")
    assert (answer["results"], answer["pending"]) == ([], 0)


def test_deletion_comes_over_a_feed(database: Database) -> None:
    revision = database.save(FIRST)
    with database.feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        deleted = database.remove(FIRST, revision)
        row = feed.row()
        assert (row["deleted"], row["changes"]) == (True, [{"rev": deleted}])


def test_purge_sends_nothing_over_a_feed(database: Database) -> None:
    revision = database.save(FIRST)
    with database.feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        database.couch.post(f"{database.path}/_purge", {FIRST: [revision]})
        database.save(SECOND)
        assert feed.row()["id"] == SECOND


def test_many_feeds_on_many_databases(new_database: Callable[[], Database]) -> None:
    databases = [new_database() for _ in range(10)]
    feeds = [database.feed("feed=continuous&heartbeat=9000") for database in databases for _ in range(10)]
    for feed in feeds:
        assert feed.line() == b"\n"
    for database in databases:
        database.save(FIRST)
    for feed in feeds:
        assert feed.row()["id"] == FIRST
        feed.connection.close()


@pytest.mark.parametrize("kind", ["continuous", "longpoll"])
def test_server_that_stops_sends_no_end(own_server: EmbeddedCouchDB, own_database: Database, kind: str) -> None:
    with own_database.feed(f"feed={kind}&heartbeat=9000&since=now") as feed:
        feed.line()
        own_server.stop()
        received = b""
        with pytest.raises((IncompleteRead, ConnectionError)):
            received = feed.response.read()
        assert b"last_seq" not in received


def test_feed_misses_nothing_while_many_write(couchdb: str, database: Database) -> None:
    def write(part: int) -> None:
        couch = Couch(couchdb)
        mine = Database(couch, database.name)
        for n in range(40):
            mine.bulk([{"_id": f"{part}-{n}-{m}"} for m in range(5)])
        couch.close()

    with database.feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        writers = [threading.Thread(target=write, args=(part,)) for part in range(4)]
        for writer in writers:
            writer.start()
        met = {feed.row()["id"] for _ in range(800)}
        for writer in writers:
            writer.join()
    assert len(met) == 800
