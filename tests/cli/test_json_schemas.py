"""docs/schemas: one for every command that prints JSON, by one rule, and every kind of output held to it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
import pytest

from router.cli.main import main
from router.embedded import EmbeddedCouchDB
from tests.cli import schemas
from tests.cli.command import (
    ACCOUNTS,
    COMMAND,
    DOCUMENTS,
    NUMBERS,
    Running,
    databases_at,
    environment,
    number,
    run,
    run_all,
)
from tests.cli.test_import import results

ASSIGNED = "+14158867900"
SETTINGS = "settings"
"""The schema of files of settings, which no command prints."""


def _commands(group: click.Group, *path: str) -> Iterator[tuple[list[str], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from _commands(found, *path, name)
        elif found is not None:
            yield [*path, name], found


PRINTING = [path for path, found in _commands(main) if any("--json" in each.opts for each in found.params)]
NAMES = sorted({schemas.name_of(path) for path in PRINTING})


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for inside in schema.values():
            yield from _objects(inside)
    elif isinstance(schema, list):
        for inside in schema:
            yield from _objects(inside)


def test_every_command_with_json_has_a_schema() -> None:
    assert sorted({path.stem for path in schemas.FOLDER.iterdir()} - {SETTINGS}) == NAMES
    assert len(PRINTING) >= 18


@pytest.mark.parametrize("name", NAMES)
def test_schemas_require_every_key(name: str) -> None:
    """An absent value is null: no key is left out, and none may come that the schema does not name."""
    for each in _objects(schemas.schema(name)):
        if "properties" in each:
            assert each["required"] == list(each["properties"])
            assert each["additionalProperties"] is False


@pytest.mark.parametrize("name", NAMES)
def test_schemas_use_null_instead_of_empty_text(name: str) -> None:
    """But for what was given, which may be empty."""
    given = {"input", "number"}
    for each in _objects(schemas.schema(name)):
        for key, kind in each.get("properties", {}).items():
            kinds = kind.get("type", [])
            if "string" in ([kinds] if isinstance(kinds, str) else kinds) and "enum" not in kind:
                assert kind.get("minLength") == 1 or key in given, (name, key)


def test_schemas_give_one_key_one_type() -> None:
    """A key that several commands print is a list, an object or neither in all of them."""
    shapes: dict[str, set[str]] = {}
    for name in NAMES:
        for each in _objects(schemas.schema(name)):
            for key, kind in each.get("properties", {}).items():
                kinds = kind.get("type", [])
                for one in [kinds] if isinstance(kinds, str) else kinds:
                    shapes.setdefault(key, set()).add(one)
    counts = {"accounts", "copies", "warnings"}  # in totals they are counted
    of_the_api = {"features"}  # LookupResponse has names, NumberRecord has settings
    several = {key: found - {"null"} for key, found in shapes.items() if len(found - {"null"}) > 1}
    assert {key for key in several if {"array", "object"} & several[key]} <= counts | of_the_api, several


STRAY = "+12125550100"
"""In a database where no lookup looks for it."""


@pytest.fixture(scope="module")
def couch() -> Iterator[str]:
    """A database that these tests may change."""
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        for name, found in DOCUMENTS.items():
            databases.database(name).create()
            databases.database(name).put_many(found)
        databases.database("numbers/+4420").put(number(STRAY))
        yield server.url


@pytest.fixture
def stores(couch: str, redis_url: str) -> tuple[str, ...]:
    return "--couchdb-url", couch, "--redis-url", redis_url


def test_lookup_and_explain_match_their_schemas(service: Running) -> None:
    asked = [ASSIGNED, "+14158867906", "+14158867903", "+14158867905", "+14158860000", "911", "", "\N{SNOWMAN}"]
    result = run("lookup", "--target", service.target, "--json", *asked)
    asked = [ASSIGNED, "+14158867905", "911", ""]
    explained = run_all({each: ["explain", "--target", service.target, "--json", each] for each in asked})

    assert {tuple(sorted(line)) for line in result.json} == {tuple(sorted(schemas.schema("lookup")["properties"]))}
    assert [line["status"] == "OK" for line in result.json[:3]] == [True, False, True]
    for each in asked:
        (line,) = explained[each].json
        assert set(line) == set(schemas.schema("explain")["properties"])
    (emergency,) = explained["911"].json
    assert (emergency["redis"], emergency["follower"], emergency["answer"]["route"]) == (None, None, None)
    assert emergency["answer"]["refusal"]["reason"] == "NOT_RECONCILABLE"


def test_number_commands_match_their_schemas(stores: tuple[str, ...], tmp_path: Path) -> None:
    new = "+14158867990"
    asked = {
        "show": ["number", "show", "--json", ASSIGNED, "+14158867999", "911", *stores],
        "stranger": ["number", "show", "--json", "--auth-by", "f" * 32, ASSIGNED, *stores],
        "history": ["number", "history", "--json", ASSIGNED, "911", *stores],
        "list": ["number", "list", "--json", "--thorough", "--account", ACCOUNTS[0], *stores],
        "refused": ["number", "move", "--json", "--assign-to", ACCOUNTS[0], "911", "+14158867999", *stores],
        "dry": ["number", "create", "--json", "--dry-run", "--assign-to", ACCOUNTS[0], new, *stores],
        "normalise": ["normalise", "--json", ASSIGNED, "911", "", "\N{SNOWMAN}"],
        "token": ["token", "new", "--json", "--scope", "lookup", "switch"],
    }
    result = run_all(asked)

    lines = {name: each.json for name, each in result.items()}
    assert [len(lines[name]) for name in asked] == [3, 1, 2, len(lines["list"]), 2, 1, 4, 1]
    assert [each["status"] for each in lines["show"]] == ["found", "refused", "refused"]
    assert lines["list"]
    changed = run("number", "create", "--json", "--assign-to", ACCOUNTS[0], new, *stores).json
    changed += run("number", "delete", "--json", new, *stores).json
    assert [each["status"] for each in changed] == ["done", "deleted"]
    file = tmp_path / "numbers.txt"
    file.write_text(f"{new}\n911\n")
    (totals,) = run("number", "release", "--file", str(file), "--json", *stores).json
    assert totals["statuses"] == {"refused": 2}


def test_bulk_commands_match_their_schemas(stores: tuple[str, ...], tmp_path: Path) -> None:
    (warmed,) = run("warm", "--json", *stores).json
    *_, audited = run("audit", "--json", *stores).json
    *_, kept_up = run("maintenance", "--dry-run", "--json", *stores).json
    file = tmp_path / "all.jsonl"
    (exported,) = run("export", "--json", "--output", str(file), *stores).json
    (imported,) = run("import", "--dry-run", "--json", str(file), *stores).json

    passed_over = [{"database": "numbers/+4420", "id": STRAY}]
    for result in (warmed, audited, exported):
        assert [{key: each[key] for key in ("database", "id")} for each in result["skipped"]] == passed_over
    assert (warmed["failed_databases"], kept_up["failed_databases"], kept_up["complete"]) == ([], [], True)
    assert exported["written"] == NUMBERS
    assert imported["rows"] == NUMBERS
    row = schemas.schema("import")["$defs"]["result"]
    rows = results(Path(imported["results"]))
    assert rows
    assert all(set(each) == set(row["required"]) for each in rows)


def test_export_totals_on_stderr_match_the_schema(stores: tuple[str, ...]) -> None:
    done = subprocess.run([COMMAND, "export", "--json", *stores], capture_output=True, env=environment(), check=False)

    schemas.check("export", [orjson.loads(done.stderr)])
