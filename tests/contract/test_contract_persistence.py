"""Data that the embedded database keeps over a restart, and over a kill."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database


@contextmanager
def process(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", Couch]]:
    """The database as a process of its own; killed at the end if it still runs."""
    command = [sys.executable, "-m", "router.embedded.couchdb", "--port", "0", "--data", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("listening on "), line
        couch = Couch(line.split()[-1].replace("://", "://admin:password@"))
        try:
            yield running, couch
        finally:
            couch.close()
            running.kill()


def test_restart_keeps_everything(tmp_path: Path) -> None:
    with EmbeddedCouchDB(directory=tmp_path) as server:
        database = Database(Couch(server.url), "numbers/+1415").create()
        database.save("+14155550100", {"a": 1})
        revision = database.save("+14155550101")
        database.remove("+14155550101", revision)
        database.couch.put(f"{database.path}/_local/checkpoint", {"a": 1})
        before, changes = database.info(), database.changes("include_docs=true")
    with EmbeddedCouchDB(directory=tmp_path) as server:
        database = Database(Couch(server.url), "numbers/+1415")
        assert database.info() == before
        assert database.changes("include_docs=true") == changes
        assert database.changes(f"since={changes['last_seq']}")["results"] == []
        assert database.couch.get(f"{database.path}/_local/checkpoint").json["a"] == 1
        database.save("+14155550102")
        rows = database.changes(f"since={before['update_seq']}")["results"]
        assert [row["id"] for row in rows] == ["+14155550102"]


def test_conflicts_and_purges_outlive_a_restart(tmp_path: Path) -> None:
    planted = [{"_id": "x", "_rev": f"2-{digit * 32}"} for digit in "ab"]
    with EmbeddedCouchDB(directory=tmp_path) as server:
        database = Database(Couch(server.url), "numbers/+1415").create()
        database.bulk(planted, new_edits=False)
        revision = database.save("y")
        database.couch.post(f"{database.path}/_purge", {"y": [revision]})
        before = database.info()
    with EmbeddedCouchDB(directory=tmp_path) as server:
        database = Database(Couch(server.url), "numbers/+1415")
        assert database.info() == before
        answer = database.couch.get(f"{database.path}/x?conflicts=true").json
        assert (answer["_rev"], answer["_conflicts"]) == (f"2-{'b' * 32}", [f"2-{'a' * 32}"])


def test_dropped_global_changes_stays_dropped(tmp_path: Path) -> None:
    with EmbeddedCouchDB(directory=tmp_path) as server:
        Couch(server.url).delete("/_global_changes")
    with EmbeddedCouchDB(directory=tmp_path) as server:
        assert Couch(server.url).get("/_db_updates").status == 404


def test_two_servers_do_not_share_a_directory(tmp_path: Path) -> None:
    with EmbeddedCouchDB(directory=tmp_path), pytest.raises(OSError, match="another process uses"):
        EmbeddedCouchDB(directory=tmp_path).start()


def test_taken_port_is_an_error() -> None:
    with (
        EmbeddedCouchDB() as server,
        closing(EmbeddedCouchDB(port=server.port)) as second,
        pytest.raises(OSError, match="in use"),
    ):
        second.start()


def test_every_answered_write_survives_a_kill(tmp_path: Path) -> None:
    with process(tmp_path) as (running, couch):
        database = Database(couch, "numbers/+1415").create()
        database.bulk([{"_id": f"bulk{n}"} for n in range(500)])
        answered = [database.save(f"single{n}") for n in range(50)]
        running.kill()
        running.wait()
    with process(tmp_path) as (_, couch):
        database = Database(couch, "numbers/+1415")
        assert database.info()["doc_count"] == 550
        assert [database.load(f"single{n}")["_rev"] for n in range(50)] == answered
        assert len(database.changes()["results"]) == 550
        assert database.save("one more").startswith("1-")


def test_kill_in_the_middle_of_bulk_writes_leaves_whole_batches(tmp_path: Path) -> None:
    with process(tmp_path) as (running, couch):
        database = Database(couch, "numbers/+1415").create()
        database.bulk([{"_id": f"first{n}"} for n in range(1000)])
        body = '{"docs":[' + ",".join(f'{{"_id":"second{n}"}}' for n in range(20000)) + "]}"
        headers = {"Authorization": couch.authorization, "Content-Type": "application/json"}
        couch.connection.request("POST", f"{database.path}/_bulk_docs", body, headers)
        time.sleep(0.3)
        running.kill()
        running.wait()
    with process(tmp_path) as (_, couch):
        database = Database(couch, "numbers/+1415")
        count = database.info()["doc_count"]
        assert count in {1000, 21000}
        assert len(database.changes()["results"]) == count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_write_is_safe_but_its_event_is_not(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (running, couch):
        database = Database(couch, "numbers/+1415").create()
        time.sleep(0.65)
        database.save("+14155550100")
        running.send_signal(number)
        assert running.wait(5) == (0 if number == signal.SIGTERM else -number)
    with process(tmp_path) as (_, couch):
        time.sleep(0.65)
        rows = couch.get("/_db_updates").json["results"]
        assert {row["type"] for row in rows if row["db_name"] == "numbers/+1415"} == {"created"}
        assert len(Database(couch, "numbers/+1415").changes()["results"]) == 1
