"""Output files of commands: standard output by its usual name, and wrong places reported before anything is done."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import ACCOUNTS, NOWHERE, NUMBERS, Running, run, run_all, run_here


def test_export_dash_is_standard_output(
    stores: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("export", "--output", "-", *stores)

    assert result.code == 0
    assert result.out == run("export", *stores).out
    assert len(result.out.splitlines()) == NUMBERS
    assert f"{NUMBERS} numbers of" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "separator"), [("ALL.CSV", ","), ("all.tsv", "\t"), ("all.csv", ",")])
def test_export_extension_decides_the_format(
    name: str, separator: str, stores: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / name

    run("export", "--output", str(file), *stores)
    again = run("import", str(file), "--dry-run", "--json", *stores)

    assert file.read_text().startswith(separator.join(("e164", "account_name", "account_id")))
    assert again.json[0]["rows"] == NUMBERS


@pytest.mark.parametrize(
    "command",
    [
        ("token", "new", "switch", "--scope", "lookup", "--append", "/no/t"),
        ("import", "FILE", "--output", "/no/t"),
        ("export", "--output", "/no/t"),
        ("number", "release", "--file", "FILE", "--output", "/no/t"),
    ],
    ids=" ".join,
)
def test_output_in_a_missing_folder_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("e164\n")

    result = run_here(*(str(file) if each == "FILE" else each for each in command))

    assert result.code == 2
    assert "there is no folder '/no' to write 't' in: make it, or name another" in result.complaint


def test_export_keeps_pipes_and_links(stores: tuple[str, ...], tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link.jsonl", tmp_path / "file.jsonl"
    os.mkfifo(pipe)
    link.symlink_to(file)

    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        result = run("export", "--output", str(pipe), *stores)
        try:
            piped, _ = reader.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            reader.kill()
            pytest.fail("nothing came through the pipe")
    linked = run("export", "--output", str(link), *stores)

    assert (result.code, linked.code) == (0, 0)
    assert len(piped.splitlines()) == NUMBERS
    assert link.is_symlink()
    assert file.read_bytes() == piped


def test_export_failure_leaves_no_file(tmp_path: Path) -> None:
    result = run_here("export", "--output", str(tmp_path / "all.jsonl"), "--couchdb-url", NOWHERE)

    assert result.code == 3
    assert list(tmp_path.iterdir()) == []


def test_token_append_accepts_regular_files_only(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    result = run_here("token", "new", "switch", "--scope", "lookup", "--append", str(pipe))

    assert (result.code, result.out) == (2, "")
    assert "no file that tokens can be read from" in result.complaint


def test_import_results_to_a_pipe_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("e164\n")

    result = run_here("import", str(file), "--output", "-")

    assert (result.code, "it can't go to standard output: name a file" in result.complaint) == (2, True)


@pytest.mark.parametrize("command", ["lookup", "explain"])
@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "inf", "1e300"])
def test_timeout_must_be_a_number_of_seconds(command: str, seconds: str) -> None:
    result = run_here(command, "--timeout", seconds, "4158867900")

    assert (result.code, "'--timeout'" in result.complaint) == (2, True)


def test_tables_in_a_pipe_keep_ids_whole(service: Running, stores: tuple[str, ...]) -> None:
    result = run("explain", "--target", service.target, "4158867900", COLUMNS="80")
    shown = run("number", "history", "4158867900", *stores, COLUMNS="80")

    assert result.code == 0
    assert result.out.count(ACCOUNTS[0]) >= 3, "Redis, document and account"
    (line,) = [each for each in result.out.splitlines() if each.startswith("number document")]
    assert "state in_service; assigned to" in line
    assert len(shown.out.splitlines()) == 2


def test_explain_invalid_number_shows_no_layers(service: Running) -> None:
    result = run_all(
        {
            "emergency": ["explain", "--target", service.target, "911"],
            "late": ["explain", "--target", service.target, "--timeout", "0.000001", "4158867900"],
        }
    )

    assert [line.split("  ")[0] for line in result["emergency"].out.splitlines()] == [
        "step",
        "input",
        "dial plan",
        "E.164",
        "database",
        "decision",
        "protocol",
    ], "no layer was asked, the follower neither"
    assert (result["late"].code, "start one" in result["late"].err) == (3, False), "a service that is late is there"


def test_list_account_without_a_list_suggests_thorough(stores: tuple[str, ...]) -> None:
    result = run_all(
        {
            "listed": ["number", "list", "--account", ACCOUNTS[0], *stores],
            "json": ["number", "list", "--account", ACCOUNTS[0], "--json", *stores],
            "thorough": ["number", "list", "--account", ACCOUNTS[0], "--thorough", *stores],
        }
    )

    for name in ("listed", "json"):
        assert (result[name].code, result[name].out) == (0, "")
        assert "lists no numbers in a database of its own: --thorough looks through every" in result[name].err
    assert "+14158867900" in result["thorough"].out
    assert result["thorough"].err == ""
