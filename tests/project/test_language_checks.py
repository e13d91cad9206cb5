"""The checks of `make lint` that are the project's own: each finds what it looks for, and nothing else."""

from pathlib import Path

import pytest

from tests.language import commit_message, file_length, names_of_tests, retired_words
from tests.language.identifiers import identifiers, split_words


def test_identifiers_are_read_from_tokens_alone(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('"""told"""\nname = "said"  # gone\nother = name\n')

    assert [tuple(each) for each in identifiers(file)] == [("name", 2), ("other", 3)]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("snake_case_2", ["snake", "case", "2"]),
        ("CamelCaseHTTPServer", ["camel", "case", "http", "server"]),
        ("_MAX_SIZE", ["max", "size"]),
    ],
)
def test_identifier_is_split_into_words(name: str, parts: list[str]) -> None:
    assert split_words(name) == parts


def test_retired_identifier_is_reported_with_its_replacement(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("from grpc import Doorkeeper\n\nresult = Doorkeeper()\n")

    assert list(retired_words.problems([file])) == [f"{file}:1: Doorkeeper is retired: use interceptor"]


@pytest.mark.parametrize("name", ["result", "message", "max_calls", "almost", "DUE_DATE"])
def test_other_identifiers_are_not_reported(name: str) -> None:
    assert retired_words.replacement(name) is None


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("test_a_feed_ends", "begins with 'a'"),
        ("test_what_is_kept", "begins with 'what'"),
        ("test_it_ends", "begins with 'it'"),
        ("test_" + "x" * 66, "71 characters"),
        ("test_" + "x" * 65, ""),
        ("test_another_feed_ends", ""),
        ("test_feed_ends_in_a_row", ""),
    ],
)
def test_badly_named_test_is_reported(name: str, reported: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"import os\n\n\nasync def {name}() -> None: ...\n")

    found = list(names_of_tests.problems([file]))

    assert [each.startswith(f"{file}:4: {name} ") and reported in each for each in found] == [True] * bool(reported)


def test_file_of_more_than_350_lines_is_reported(tmp_path: Path) -> None:
    short, long = tmp_path / "short.py", tmp_path / "long.py"
    short.write_text("x = 1\n" * 350)
    long.write_text("x = 1\n" * 351)

    problems = list(file_length.problems([short, long], tmp_path))

    assert problems == ["long.py: 351 lines, at most 350: split it by its jobs"]


def test_data_may_be_long(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text("1\n" * 1000)

    assert list(file_length.problems([file], tmp_path)) == []


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("server: name call sources\n\nA reason.\n", None),
        ("Merge branch 'x'\n", None),
        ("Names call sources\n", "area: imperative"),
        (f"server: {'x' * 65}\n", "73 characters"),
        ("server: name call sources\nA reason.\n", "blank line"),
    ],
)
def test_commit_messages_have_a_form(message: str, wrong: str | None) -> None:
    problem = commit_message.problem(message)

    assert problem is None if wrong is None else problem is not None and wrong in problem


def test_pre_commit_runs_the_checks_of_make_lint() -> None:
    config = (Path(__file__).parents[2] / ".pre-commit-config.yaml").read_text("utf-8")

    assert "entry: make lint\n" in config
    assert "repo: http" not in config, "it needs no other server"
