"""Fails where a test's name is not *unit, condition, result*: longer than 70 characters, or opening like a sentence.

A failing test is first seen as its name alone, in a list of names. So the name begins with the unit that it tests; an
article says nothing, and after a question word or a pronoun the reader has to look the unit up.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_LENGTH = 70
RETIRED_OPENINGS = frozenset(
    [
        "a",
        "an",
        "the",
        "what",
        "whatever",
        "which",
        "who",
        "whoever",
        "whose",
        "where",
        "when",
        "why",
        "how",
        "whether",
        "it",
        "its",
        "he",
        "she",
        "they",
        "this",
        "that",
        "these",
        "those",
        "there",
        "nobody",
        "nothing",
        "everybody",
        "everything",
        "somebody",
        "something",
    ]
)


def problem(name: str) -> str | None:
    """Return what is wrong with the name of a test function; None where nothing is."""
    if len(name) > MAX_LENGTH:
        return f"{name} has {len(name)} characters, at most {MAX_LENGTH}: use a docstring for the rest"
    opening = name.removeprefix("test_").split("_", 1)[0]
    if opening in RETIRED_OPENINGS:
        return f"{name} begins with {opening!r}: begin with the unit under test, then its condition and the result"
    return None


def problems(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each badly named test in Python files."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found = problem(node.name)
                if found is not None:
                    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
                    yield f"{shown}:{node.lineno}: {found}"


def tracked_test_files() -> list[Path]:
    """Return the committed Python files of the tests."""
    command = ["git", "ls-files", "tests/*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in (ROOT / name for name in names) if path.is_file()]


def main() -> int:
    """Print all problems; return 1 where there is any."""
    found = list(problems(tracked_test_files()))
    print("\n".join([*found, f"{len(found)} badly named tests"]))  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
