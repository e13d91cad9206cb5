"""The opaque `since`: accepted and refused values, and their limits."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.contract.exchange import Database

MALFORMED = (400, "bad_request", "Malformed sequence supplied in 'since' parameter.")
NUMBERS = [f"+1415555010{last}" for last in range(8)]


@pytest.fixture
def filled(database: Database) -> Database:
    database.bulk([{"_id": number} for number in NUMBERS])
    return database


def ids_since(database: Database, since: str) -> list[str]:
    return sorted(row["id"] for row in database.changes(f"since={quote(since, safe='')}")["results"])


def test_sequence_is_long_and_opaque(filled: Database) -> None:
    count, dash, opaque = filled.changes()["last_seq"].partition("-")
    assert (count, dash) == ("8", "-")
    assert len(opaque) > 100


@pytest.mark.parametrize("since", ["0", ""])
def test_from_the_beginning(filled: Database, since: str) -> None:
    rows = filled.changes(f"since={since}" if since else "")["results"]
    assert sorted(row["id"] for row in rows) == NUMBERS


def test_now_is_the_end(filled: Database) -> None:
    answer = filled.changes("since=now")
    assert answer["results"] == []
    filled.save("+14155550199")
    assert ids_since(filled, answer["last_seq"]) == ["+14155550199"]


def test_changes_since_any_row_are_the_later_rows(filled: Database) -> None:
    rows = filled.changes()["results"]
    for position, row in enumerate(rows):
        after = sorted(later["id"] for later in rows[position + 1 :])
        assert ids_since(filled, row["seq"]) == after


def test_quoted_as_json_is_good(filled: Database) -> None:
    assert ids_since(filled, f'"{filled.changes()["last_seq"]}"') == []


def test_leading_number_of_a_sequence_is_ignored(filled: Database) -> None:
    opaque = filled.changes()["last_seq"].partition("-")[2]
    assert ids_since(filled, f"999-{opaque}") == []
    assert ids_since(filled, f"0-{opaque}") == []
    assert ids_since(filled, opaque) == []


@pytest.mark.parametrize("since", ["5", "", "garbage", "8-garbage", '[8,"abc"]', "now-ish", "-1"])
def test_changes_since_malformed_sequence_is_refused(filled: Database, since: str) -> None:
    path = f"{filled.path}/_changes?since={quote(since, safe='')}"
    assert filled.couch.get(path).refusal == MALFORMED
    assert filled.couch.get(path + "&feed=continuous&timeout=100").refusal == MALFORMED
    assert filled.couch.get(path + "&feed=longpoll&timeout=100").refusal == MALFORMED


def test_truncated_sequence_is_refused(filled: Database) -> None:
    whole = filled.changes()["last_seq"]
    path = f"{filled.path}/_changes?since={whole[:-20]}"
    assert filled.couch.get(path).refusal == MALFORMED


def test_sequence_of_another_database_replays_everything(
    filled: Database, new_database: Callable[[], Database]
) -> None:
    other = new_database()
    other.bulk([{"_id": number} for number in NUMBERS])
    assert ids_since(filled, other.changes()["last_seq"]) == NUMBERS


def test_sequence_of_an_earlier_database_replays_everything(filled: Database) -> None:
    earlier = filled.changes()["last_seq"]
    started = filled.info()["instance_start_time"]
    time.sleep(1.1)
    filled.drop()
    filled.create()
    filled.bulk([{"_id": number} for number in NUMBERS[:3]])
    # nothing says that it was reset, and no row that the other five are gone
    assert ids_since(filled, earlier) == NUMBERS[:3]
    assert filled.info()["instance_start_time"] != started


def test_update_seq_is_never_last_seq_and_yet_good_for_since(filled: Database) -> None:
    update_seq, last_seq = filled.info()["update_seq"], filled.changes()["last_seq"]
    assert update_seq != last_seq
    assert update_seq.split("-")[0] == last_seq.split("-")[0]
    assert ids_since(filled, update_seq) == []
    filled.save("+14155550199")
    assert ids_since(filled, update_seq) == ["+14155550199"]


def test_update_seq_stands_still_while_nothing_is_written(filled: Database) -> None:
    assert filled.state()["update_seq"] == filled.state()["update_seq"]
    assert filled.state()["purge_seq"] == filled.state()["purge_seq"]
