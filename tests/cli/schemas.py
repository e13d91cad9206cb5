"""The schemas of docs/schemas, and what the installed command prints held to them."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
GROUPS = {"number", "token"}
CHANGES = {"create", "reserve", "move", "release", "delete", "update", "assign-to-app"}


def name_of(command: Sequence[str], *, of_file: bool = False) -> str:
    """The schema of a command, such as ["number", "show"]; of its totals where it read a file."""
    if command[0] == "number" and command[1] in CHANGES:
        return "import" if of_file else "number-change"
    return "-".join(command)


def schema_of(arguments: Sequence[str | bytes]) -> str | None:
    """The schema of what a command line prints; None without --json."""
    texts = [each for each in arguments if isinstance(each, str)]
    if "--json" not in texts:
        return None
    command = texts[:2] if texts[0] in GROUPS else texts[:1]
    return name_of(command, of_file="--file" in texts)


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema by its file's name, without the extension."""
    found: dict[str, Any] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    Draft202012Validator.check_schema(found)
    return found


def check(name: str, lines: Iterable[object]) -> None:
    """Hold each line to a schema."""
    validator = Draft202012Validator(schema(name))
    for line in lines:
        problems = [f"{problem.json_path}: {problem.message}" for problem in validator.iter_errors(line)]
        assert not problems, (name, problems, line)
