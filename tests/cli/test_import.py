"""did-router import and export as processes: killed in the middle, gone on with, and told apart."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.embedded import EmbeddedCouchDB
from tests.cli.command import NOWHERE, Start, databases_at, run, run_all

ACCOUNTS = [f"{index:032x}" for index in range(1, 6)]
ROWS = 5000
SHARDS = 4


@pytest.fixture
def database() -> Iterator[EmbeddedCouchDB]:
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        databases.database("accounts").create()
        databases.database("accounts").put_many(
            [{"_id": each, "pvt_type": "account", "name": each[-1]} for each in ACCOUNTS]
        )
        for account in ACCOUNTS:
            databases.database(f"account/{account[:2]}/{account[2:4]}/{account[4:]}").create()
        yield server


@pytest.fixture
def where(database: EmbeddedCouchDB, redis_url: str) -> tuple[str, ...]:
    return "--couchdb-url", database.url, "--redis-url", redis_url


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a results file that a process may be writing."""
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def results(path: Path) -> list[dict[str, Any]]:
    return [line for line in lines(path) if "row" in line]


def documents(url: str) -> dict[str, dict[str, Any]]:
    databases = databases_at(url)
    return {
        str(document["_id"]): dict(document)
        for name in databases.names("numbers/+")
        for page in databases.database(name).all_documents(1000)
        for document in page
    }


def number(index: int) -> str:
    return f"+{3000 + index % SHARDS}{index:07d}"


def test_import_killed_twice_carries_out_each_row_once(
    start: Start, where: tuple[str, ...], database: EmbeddedCouchDB, tmp_path: Path
) -> None:
    file, output = tmp_path / "numbers.csv", tmp_path / "numbers.csv.results.jsonl"
    file.write_text(
        "e164,account_id,prepend.enabled,prepend.name\n"
        + "".join(f"{number(index)},{ACCOUNTS[index % 5]},true,Sales\n" for index in range(ROWS))
    )
    command = ("import", str(file), "--batch", "200", *where)

    for wanted in (200, 1200):
        process = start(*command)
        end = time.monotonic() + 60
        while len(results(output)) < wanted:
            assert time.monotonic() < end
            assert process.popen.poll() is None, process.lines
            time.sleep(0.001)
        process.end(signal.SIGKILL)
    before = len(results(output))
    result = run(*command)

    assert before < ROWS, "it was killed before its end"
    assert result.code == 0, result.err
    assert f"{before:,} rows had a result already" in result.out
    expected = results(output)
    assert [each["row"] for each in expected] == list(range(2, ROWS + 2)), "one result each"
    assert {each["status"] for each in expected} == {"done"}
    made = documents(database.url)
    assert len(made) == ROWS
    assert all(document["_rev"].startswith("1-") for document in made.values())
    assert {each["number"]: each["revision"] for each in expected} == {name: made[name]["_rev"] for name in made}
    *differences, totals = run("audit", "--json", *where).json
    assert totals["entries"] == ROWS
    followed = {"accounts"}  # nobody warmed the cache or follows
    assert {each["database"] for each in differences} <= followed, "numbers and account copies are as documents say"


def test_import_warnings_are_in_the_named_file(where: tuple[str, ...], tmp_path: Path) -> None:
    file, output = tmp_path / "numbers.csv", tmp_path / "numbers.csv.results.jsonl"
    file.write_text(f"e164,account_id\n+14158867900,{'e' * 32}\n")

    result = run("import", str(file), *where)

    assert result.code == 0
    assert f"1 rows with warnings, under warnings in {output}; missing account copies are written by" in result.out
    (row,) = results(output)
    assert "is not in the database accounts" in row["warnings"][0]


def test_export_imported_again_is_identical(where: tuple[str, ...], database: EmbeddedCouchDB, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text(
        "e164,account_id,prepend.enabled,prepend.name\n"
        f"+14158867900,{ACCOUNTS[0]},true,Sales\n"
        f"911,{ACCOUNTS[0]},,\n"
        "+14158867901,,,\n"
        f"+14158867902,{ACCOUNTS[1]},perhaps,\n"
        f"+442079460018,{ACCOUNTS[1]}\n"
    )

    dry = run("import", str(file), "--dry-run", *where)
    assert documents(database.url) == {}
    result = run("import", str(file), "--json", *where)
    out = run_all(
        {
            "jsonl": ["export", *where],
            "csv": ["export", "--format", "csv", "--account", ACCOUNTS[0], *where],
            "file": ["export", "--output", str(tmp_path / "all.csv"), "--json", *where],
            "wrong": ["export", "--database", "numbers/+9999", *where],
        }
    )

    assert (dry.code, result.code) == (1, 1)
    assert "dry run, nothing was changed: 5 rows: 4 refused, 1 done" in dry.out
    assert "line 3: 911: not_reconcilable (911)" in dry.err
    assert (
        "line 5: +14158867902: invalid (prepend.enabled): prepend.enabled is 'perhaps': write true or false" in dry.err
    )
    (totals,) = result.json
    assert totals["statuses"] == {"done": 1, "refused": 4}
    assert totals["errors"] == {"not_reconcilable": 1, "assign_failure": 1, "invalid": 2}
    assert [(each["row"], each["status"], each["cause"]) for each in results(Path(totals["results"]))] == [
        (2, "done", None),
        (3, "refused", "911"),
        (4, "refused", "field_undefined"),
        (5, "refused", "prepend.enabled"),
        (6, "refused", "malformed_row"),
    ]
    made = documents(database.url)
    assert [orjson.loads(line) for line in out["jsonl"].out.splitlines()] == list(made.values())
    header, row = out["csv"].out.splitlines()
    assert header.startswith("e164,account_name,account_id,")
    assert row.startswith(f"+14158867900,1,{ACCOUNTS[0]},,in_service,")
    assert (tmp_path / "all.csv").read_text() == out["csv"].out
    assert out["file"].json[0]["written"] == 1
    assert (out["wrong"].code, "there is no database numbers/+9999" in out["wrong"].complaint) == (2, True)


def test_import_unusable_input_is_refused(where: tuple[str, ...], tmp_path: Path) -> None:
    file, typo, done = tmp_path / "numbers.csv", tmp_path / "typo.csv", tmp_path / "done.jsonl"
    file.write_text(f"e164,account_id\n+14158867900,{ACCOUNTS[0]}\n")
    typo.write_text("e164,acount_id\n")
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("# those that move\n+14158867900\n\n4158867999\n")
    assert run("import", str(file), "--output", str(done), *where).code == 0
    file.write_text(f"e164,account_id\n+14158867901,{ACCOUNTS[0]}\n")

    result = run_all(
        {
            "typo": ["import", str(typo), *where],
            "other file": ["import", str(file), "--output", str(done), *where],
            "no file": ["import", str(tmp_path / "none.csv"), *where],
            "nowhere": ["import", str(file), "--couchdb-url", NOWHERE, *where[2:]],
            "moved": ["number", "move", "--assign-to", ACCOUNTS[1], "--file", str(numbers), *where],
        }
    )
    piped = run("number", "move", "--assign-to", ACCOUNTS[2], "--file", "-", *where, stdin=b"+14158867900\n")

    assert {name: each.code for name, each in result.items()} == {
        "typo": 2,
        "other file": 2,
        "no file": 2,
        "nowhere": 3,
        "moved": 1,
    }
    assert "unknown column 'acount_id': did you mean account_id?" in result["typo"].complaint
    assert "has the results of another input" in result["other file"].complaint
    assert "2 rows: 1 done, 1 refused" in result["moved"].out
    assert "line 4: +14158867999: not_found" in result["moved"].err
    assert (piped.code, "1 rows: 1 done" in piped.out) == (0, True)
