"""Errors of commands: one line that says what to do, and the right exit code."""

from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB
from tests.cli.command import NOWHERE, Ran, run, run_all, run_here

NO_REDIS = "redis://127.0.0.1:1/0"
STORES = ("--couchdb-url", NOWHERE, "--redis-url", NO_REDIS)

WRONG_USAGE = {
    "no such command": (["nope"], "No such command 'nope'. (see did-router --help)"),
    "no such option": (["check", "--nope"], "No such option '--nope'. (see did-router check --help)"),
    "no number": (["lookup"], "Missing argument 'NUMBERS...'. (see did-router lookup --help)"),
    "a pair without =": (["check", "--set", "x"], "--set needs NAME=VALUE, not 'x'"),
    "no such setting": (["check", "--set", "lsten=x"], "unknown setting 'lsten' (did you mean 'listen'?)"),
    "not a number": (["check", "--set", "batch_size=many"], "setting 'batch_size': Input should be a valid integer"),
    "a wrong scheme": (["check", "--couchdb-url", "ftp://x"], "setting 'couchdb_url': write it as http://user:"),
    "a wrong Redis scheme": (["check", "--redis-url", "x"], "setting 'redis_url': write it as one of redis://"),
    "Sentinel without a service": (["warm", "--redis-url", "redis+sentinel://x"], "redis+sentinel://host:26379"),
    "an address without a port": (["serve", "--listen", "here"], "setting 'listen': write it as host:port"),
    "no such file": (["check", "--config", "/no/such.toml"], "settings file /no/such.toml: No such file"),
    "a typo in the file": (
        ["check", "--config", "typo.toml"],
        "unknown setting 'redis_urll' (did you mean 'redis_url'?)",
    ),
    "no TOML": (["check", "--config", "broken.toml"], "is not TOML"),
    "a regex that is none": (["check", "--config", "regex.toml"], "'(' is not a regular expression"),
    "an unknown dial plan": (
        ["normalise", "--dial-plan", "x", "1"],
        "there is no dial plan 'x': use one of kazoo, system",
    ),
}
UNREACHABLE = {
    "no CouchDB to warm from": (["warm", *STORES], "Connection refused (see --couchdb-url, or did-router check)"),
    "no CouchDB to ask": (["normalise", "--cluster", "1", *STORES], "see --couchdb-url"),
    "no Redis Cluster": (["audit", "--redis-url", "redis+cluster://127.0.0.1:1"], "Redis can't be reached: "),
    "no service": (["lookup", "--target", "127.0.0.1:1", "1"], "no did-router answers at 127.0.0.1:1"),
    "no service to explain": (["explain", "--target", "127.0.0.1:1", "1"], "(start one: did-router serve"),
    "no target": (["lookup", "--target", "", "1"], "no did-router answers at"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "typo.toml").write_text('redis_urll = "redis://127.0.0.1/0"\n')
    (folder / "broken.toml").write_text("listen = \n")
    (folder / "regex.toml").write_text('[number_manager]\nreconcile_regex = "("\n')
    wrong = {name: run_here(*_in(folder, arguments)) for name, (arguments, _) in WRONG_USAGE.items()}
    # Codes and words as a process ends with them: one of the former, and all that reach for something.
    reaching = {name: arguments for name, (arguments, _) in UNREACHABLE.items()}
    return wrong | run_all({"no such command": WRONG_USAGE["no such command"][0], **reaching})


def _in(folder: Path, arguments: list[str]) -> list[str]:
    return [str(folder / each) if each.endswith(".toml") and "/" not in each else each for each in arguments]


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage_is_one_line_with_exit_code_2(ran: dict[str, Ran], name: str) -> None:
    assert WRONG_USAGE[name][1] in ran[name].complaint
    assert (ran[name].code, ran[name].out) == (2, "")


@pytest.mark.parametrize("name", UNREACHABLE)
def test_unreachable_store_is_one_line_with_exit_code_3(ran: dict[str, Ran], name: str) -> None:
    assert UNREACHABLE[name][1] in ran[name].complaint
    assert (ran[name].code, ran[name].out) == (3, "")


def test_wrong_password_is_tried_once_and_never_shown(redis_url: str) -> None:
    """Five wrong ones would lock the account for the right one too."""
    with EmbeddedCouchDB(password="s3cret") as server:
        wrong = ("--couchdb-url", server.url.replace("s3cret", "guess"), "--redis-url", redis_url)
        result = run_all({name: [name, *wrong] for name in ("check", "warm", "audit")})
        right = run("check", "--couchdb-url", server.url, "--redis-url", redis_url)

    assert "ok   CouchDB" in right.out, "each command tried the wrong one once"
    assert result["check"].code == 3
    assert "BAD  CouchDB http://admin:***@" in result["check"].out
    assert "into couchdb_url" in result["check"].out
    for name in ("warm", "audit"):
        assert (result[name].code, result[name].out) == (3, "")
        assert "CouchDB refuses " in result[name].complaint
    assert "guess" not in "".join(each.out + each.err for each in result.values())
