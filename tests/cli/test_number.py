"""did-router number: a number's life from the shell."""

import re
from collections.abc import Iterator

import pytest

from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.cli.command import NOWHERE, Ran, databases_at, run, run_all

PARENT, CHILD = "a" * 32, "b" * 32
NUMBER = "+14158867900"
LIFE = (
    ("create", "--assign-to", PARENT, "(415) 886-7900"),
    ("reserve", "--assign-to", PARENT, "4158867900"),
    ("move", "--assign-to", CHILD, "--auth-by", CHILD, NUMBER),
    ("update", "--field", "prepend.enabled=true", "--field", "prepend.name=Sales", "--field", "zip=94105", NUMBER),
    ("assign-to-app", "--used-by", "callflow", NUMBER),
)


@pytest.fixture(scope="module")
def database() -> Iterator[EmbeddedCouchDB]:
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        databases.database("accounts").create()
        accounts = [
            {"_id": PARENT, "pvt_type": "account", "name": "Parent Ltd", "pvt_tree": []},
            {"_id": CHILD, "pvt_type": "account", "name": "Child Inc", "pvt_tree": [PARENT]},
        ]
        databases.database("accounts").put_many(accounts)
        for account in (PARENT, CHILD):
            databases.database(f"account/{account[:2]}/{account[2:4]}/{account[4:]}").create()
        yield server


@pytest.fixture(scope="module")
def where(database: EmbeddedCouchDB, redis_server: str) -> tuple[str, ...]:
    return "--couchdb-url", database.url, "--redis-url", redis_server, "--redis-prefix", "test-number:"


@pytest.fixture(scope="module")
def lifecycle(where: tuple[str, ...]) -> list[Ran]:
    """The output of each step of a number's life, and then of several ways of looking at it."""
    return [run("number", *step, "--json", *where) for step in LIFE]


def test_number_lifecycle_from_create_to_delete(lifecycle: list[Ran]) -> None:
    expected = [result.json[0] for result in lifecycle]

    assert [result.code for result in lifecycle] == [0] * len(LIFE)
    assert [(each["number"], each["status"]) for each in expected] == [(NUMBER, "done")] * len(LIFE)
    assert [each["state"] for each in expected] == ["in_service", "reserved", "in_service", "in_service", "in_service"]
    assert expected[0]["input"] == "(415) 886-7900"
    assert expected[2]["reserve_history"] == [PARENT]
    assert expected[3]["public_fields"] == {"prepend": {"enabled": True, "name": "Sales"}, "zip": "94105"}
    assert expected[3]["features"]["prepend"] == {"enabled": True, "name": "Sales"}
    assert expected[4]["used_by"] == "callflow"


@pytest.fixture(scope="module")
def looked(lifecycle: list[Ran], where: tuple[str, ...]) -> dict[str, Ran]:
    del lifecycle
    return run_all(
        {
            "show": ["number", "show", "4158867900", *where],
            "show json": ["number", "show", "--json", NUMBER, "+14158867999", *where],
            "history": ["number", "history", NUMBER, *where],
            "list": ["number", "list", "--account", CHILD, "--thorough", "--json", *where],
            "list of nobody": ["number", "list", "--account", PARENT, "--auth-by", CHILD, *where],
            "release": ["number", "release", "--dry-run", "--auth-by", CHILD, NUMBER, *where],
            "stranger": ["number", "release", "--auth-by", "f" * 32, "--json", NUMBER, *where],
        }
    )


def test_number_show_prints_a_table(looked: dict[str, Ran]) -> None:
    result = looked["show"].out

    assert looked["show"].code == 0
    assert re.search(r"^\+14158867900 +\(415\) 886 - 7900, did_us", result)
    assert re.search(rf"^account +Child Inc \({CHILD}\)", result, re.MULTILINE)
    assert re.search(rf"^reserved by +Parent Ltd \({PARENT}\)", result, re.MULTILINE)
    assert re.search(r"prepend: enabled=true, name=Sales", result)
    assert re.search(
        r"^created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+ (second|minute)s? ago\) by system", result, re.M
    )
    assert re.search(rf"^lookup, document +routes to account {CHILD}, state in_service", result, re.MULTILINE)
    assert re.search(
        rf"^lookup, Redis +routes to account {CHILD}, state in_service \(written .* ago, the same\)", result, re.M
    )


def test_number_show_json_has_every_key(looked: dict[str, Ran]) -> None:
    found, missing = looked["show json"].json

    assert looked["show json"].code == 1
    assert found["lookup"]["document"]["written"] is None, "what is made from the document now is written nowhere"
    assert found["lookup"]["redis"]["written"] > 0
    assert (found["status"], found["pretty"], found["database"]) == ("found", "(415) 886 - 7900", "numbers/+1415")
    assert found["accounts"] == {PARENT: "Parent Ltd", CHILD: "Child Inc"}
    assert found["lookup"]["document"]["revision"] == found["lookup"]["redis"]["revision"] == found["revision"]
    assert (missing["code"], missing["error"], missing["cause"]) == (404, "not_found", "+14158867999")
    assert missing["lookup"]["document"]["outcome"] == "none"


def test_number_history_and_list_show_assignments(looked: dict[str, Ran]) -> None:
    assert re.search(r"\+14158867900 +in_service +Parent Ltd +Child Inc +Parent Ltd +system", looked["history"].out)
    assert [each["number"] for each in looked["list"].json] == [NUMBER]
    assert (looked["list of nobody"].code, looked["list of nobody"].complaint[:21]) == (1, "did-router: forbidden")


def test_number_dry_run_changes_nothing(looked: dict[str, Ran], database: EmbeddedCouchDB) -> None:
    assert looked["release"].code == 0
    assert re.search(rf"would be +state +account.*\n\{NUMBER} +done +reserved +{PARENT}", looked["release"].out)
    assert document(databases_at(database.url))["pvt_assigned_to"] == CHILD


def test_number_refusal_exits_with_1(looked: dict[str, Ran]) -> None:
    (result,) = looked["stranger"].json

    assert looked["stranger"].code == 1
    assert (result["status"], result["code"], result["error"]) == ("refused", 403, "forbidden")


def document(databases: CouchServer) -> dict[str, object]:
    return dict(databases.database("numbers/+1415").get(NUMBER))


def test_number_wrong_usage_and_unreachable_store(where: tuple[str, ...]) -> None:
    result = run_all(
        {
            "no file": ["number", "release", "--file", "/nowhere/numbers.txt"],
            "no numbers": ["number", "move", "--assign-to", CHILD, *where],
            "no change": ["number", "update", NUMBER, *where],
            "private": ["number", "update", "--field", "pvt_state=x", NUMBER, *where],
            "no field": ["number", "update", "--field", "prepend", NUMBER, *where],
            "no command": ["number", "steal", NUMBER],
            "nowhere": ["number", "release", NUMBER, "--couchdb-url", NOWHERE, *where[2:]],
            "many": ["number", "create", "--assign-to", CHILD, "911", "112", "--json", *where],
            "help": ["number", "--help"],
        }
    )

    assert {name: each.code for name, each in result.items()} == {
        "no file": 2,
        "no numbers": 2,
        "no change": 2,
        "private": 2,
        "no field": 2,
        "no command": 2,
        "nowhere": 3,
        "many": 1,
        "help": 0,
    }
    assert "give numbers, or --file" in result["no numbers"].complaint
    assert "only fields without pvt_" in result["private"].complaint
    assert "NAME=VALUE" in result["no field"].complaint
    assert "internal_error (database_unavailable)" in result["nowhere"].err
    assert [each["error"] for each in result["many"].json] == ["not_reconcilable"] * 2
    assert "A number's life" in result["help"].out
