"""`_db_updates`: hints that something happened, no more."""

import select
import time
from collections.abc import Callable
from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database, Feed
from tests.contract.topology import Topology

FIRST, SECOND = "+14155550100", "+14155550101"
Settle = Callable[[], None]


def now(couch: Couch) -> str:
    return str(couch.get("/_db_updates?since=now").json["last_seq"])


def events(couch: Couch, since: str) -> list[dict[str, Any]]:
    return list(couch.get(f"/_db_updates?since={since}").json["results"])


def kinds(couch: Couch, since: str, database: Database) -> list[str]:
    return sorted(row["type"] for row in events(couch, since) if row["db_name"] == database.name)


def next_event(feed: Feed, database: Database) -> dict[str, Any]:
    while (row := feed.row()) is not None:
        if row["db_name"] == database.name:
            return dict(row)
    raise AssertionError("the feed ended")


def test_write_makes_an_updated_event(couch: Couch, database: Database, settle: Settle, topology: Topology) -> None:
    settle()
    with couch.feed("/_db_updates?feed=continuous&heartbeat=300&since=now") as feed:
        if not topology.real:  # others may use a real one
            assert feed.line() == b"\n"
        database.save(FIRST)
        row = next_event(feed, database)
        assert set(row) == {"db_name", "type", "seq"}
        assert row["type"] == "updated"
        assert feed.seconds() < 5


def test_database_made_comes_with_a_row_for_dbs(
    couch: Couch, new_database: Callable[[], Database], settle: Settle
) -> None:
    since = now(couch)
    database = new_database()
    settle()
    assert kinds(couch, since, database) == ["created"]
    assert {"_dbs"} <= {row["db_name"] for row in events(couch, since)}


def test_events_are_coalesced(couch: Couch, database: Database, settle: Settle) -> None:
    for n in range(50):
        database.save(f"+141555502{n:02}")
    settle()
    assert kinds(couch, "0", database) == ["created", "updated"]


def test_only_the_latest_of_each_kind_is_kept(couch: Couch, database: Database, settle: Settle) -> None:
    since = now(couch)
    for n in range(3):
        database.save(f"+141555502{n:02}")
        settle()
    assert kinds(couch, since, database).count("updated") == 1


def test_deleted_and_made_again_looks_like_made_and_deleted(couch: Couch, database: Database, settle: Settle) -> None:
    settle()
    since = now(couch)
    database.drop()
    database.create()
    settle()
    assert kinds(couch, since, database) == ["created", "deleted"]
    assert couch.get(database.path).status == 200, "and it exists"


def test_made_and_deleted_looks_the_same(couch: Couch, new_database: Callable[[], Database], settle: Settle) -> None:
    since = now(couch)
    database = new_database()
    database.drop()
    settle()
    assert kinds(couch, since, database) == ["created", "deleted"]
    assert couch.get(database.path).status == 404


def test_security_and_refused_writes_make_no_event(couch: Couch, database: Database, settle: Settle) -> None:
    database.save(FIRST)
    settle()
    since = now(couch)
    couch.put(f"{database.path}/_local/checkpoint", {"a": 1})
    couch.put(f"{database.path}/_security", {"members": {"roles": ["_admin"]}})
    assert couch.put(database.document(FIRST), {}).status == 409
    settle()
    assert kinds(couch, since, database) == []


def test_purge_makes_an_updated_event(couch: Couch, database: Database, settle: Settle) -> None:
    revision = database.save(FIRST)
    settle()
    since = now(couch)
    couch.post(f"{database.path}/_purge", {FIRST: [revision]})
    settle()
    assert kinds(couch, since, database) == ["updated"]


def test_db_updates_has_no_pending_and_limit_0_answers_seq_0(couch: Couch) -> None:
    assert set(couch.get("/_db_updates?limit=1").json) == {"results", "last_seq"}
    answer = couch.get("/_db_updates?limit=0").json
    assert answer["results"] == []
    assert answer["last_seq"].startswith("0-")


@pytest.mark.parametrize("since", ["5", "", "garbage"])
def test_since_is_as_opaque_as_in_changes(couch: Couch, since: str) -> None:
    refused = couch.get(f"/_db_updates?since={since}").refusal
    assert refused == (400, "bad_request", "Malformed sequence supplied in 'since' parameter.")


def test_parameters_that_will_not_do(couch: Couch) -> None:
    assert couch.get("/_db_updates?heartbeat=x").refusal == (400, "bad_request", "invalid_integer")
    assert couch.get("/_db_updates?feed=zip").status == 400


def test_administrators_only(couch: Couch) -> None:
    refused = couch.get("/_db_updates", authenticated=False).refusal
    assert refused == (401, "unauthorized", "You are not a server admin.")


def test_longpoll_ends_on_the_timeout(own_couch: Couch, settle: Settle) -> None:
    settle()
    answer = own_couch.get("/_db_updates?feed=longpoll&since=now&timeout=300")
    assert answer.json["results"] == []


def test_continuous_feed_sends_no_byte_before_its_first_data(own_couch: Couch, settle: Settle) -> None:
    settle()  # the events of its own start
    with own_couch.feed("/_db_updates?feed=continuous&heartbeat=1000&since=now") as feed:
        readable, _, _ = select.select([feed.connection.sock], [], [], 0.7)
        assert not readable, "not even a status line"
        assert feed.line() == b"\n"
        assert feed.seconds() > 0.9


def test_heartbeat_after_a_row_takes_twice_its_interval(
    own_couch: Couch, own_database: Database, settle: Settle
) -> None:
    settle()
    with own_couch.feed("/_db_updates?feed=continuous&heartbeat=600&since=now") as feed:
        assert feed.line() == b"\n"
        own_database.save(FIRST)
        next_event(feed, own_database)
        after_row = time.monotonic()
        assert feed.line() == b"\n"
        assert 0.9 < time.monotonic() - after_row < 1.8


def test_without_global_changes_there_is_none_and_events_are_dropped(
    own_couch: Couch, own_database: Database, settle: Settle
) -> None:
    own_couch.delete("/_global_changes")
    assert own_couch.get("/_db_updates").status == 404
    own_database.save(FIRST)
    settle()
    own_couch.put("/_global_changes")
    settle()
    assert kinds(own_couch, "0", own_database) == []


def test_reset_ends_the_feed_and_takes_the_old_since(own_couch: Couch, own_database: Database, settle: Settle) -> None:
    settle()
    since = now(own_couch)
    with own_couch.feed("/_db_updates?feed=continuous&heartbeat=5000&since=now") as feed:
        # A feed shows nothing before its first event: only then is it known to stand.
        own_database.save(FIRST)
        next_event(feed, own_database)
        own_couch.delete("/_global_changes")
        assert [set(row) for row in feed.rest()] == [{"last_seq"}]
    own_couch.put("/_global_changes")
    own_database.save(SECOND)
    settle()
    assert kinds(own_couch, since, own_database) == ["updated"]


def test_events_not_written_yet_are_lost_with_the_server(
    own_server: EmbeddedCouchDB, own_couch: Couch, own_database: Database, settle: Settle
) -> None:
    settle()
    since = now(own_couch)
    own_database.save(FIRST)
    own_server.stop()
    own_couch.close()
    own_server.start()
    settle()
    assert kinds(own_couch, since, own_database) == []
    assert [row["id"] for row in own_database.changes()["results"]] == [FIRST], "the write itself is safe"
