"""Every command explains itself."""

import pytest

from router.cli.main import COMMANDS
from tests.cli.command import run, run_here

TOLD = {
    "audit": "Exits with 1",
    "check": "say what is wrong and what to do",
    "demo": "embedded stores",
    "embedded": "until Ctrl-C",
    "explain": "Say why",
    "export": "makes the same numbers again",
    "follow": "until SIGTERM",
    "import": "again after a kill",
    "lookup": "Exits with 1",
    "normalise": "Exits with 1",
    "number": "A number's life",
    "serve": "until SIGTERM",
    "token": "callers show to a service",
    "maintenance": "due by time",
    "warm": "Exits with 1",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does(name: str) -> None:
    said = run_here(name, "--help")

    assert (said.code, said.err) == (0, "")
    assert TOLD.get(name, "") in " ".join(said.out.split())


def test_the_command_says_how_to_begin_and_its_exit_codes() -> None:
    said = run("--help")

    assert said.code == 0
    assert "\n    did-router check " in said.out, "the examples keep their lines"
    assert "0 done or found, 1 refused or differing, 2 wrong usage, 3" in said.out


def test_version() -> None:
    assert run_here("--version").out.startswith("did-router, version ")


def test_no_command_shows_the_help_as_wrong_usage() -> None:
    said = run_here()

    assert said.code == 2
    assert "Commands:" in said.out + said.err
