"""Every command explains itself."""

import pytest

from router.cli.main import COMMANDS
from tests.cli.command import Ran, run_all

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
    "upkeep": "due by time",
    "warm": "Exits with 1",
}


@pytest.fixture(scope="module")
def helped() -> dict[str, Ran]:
    asked = {name: [name, "--help"] for name in COMMANDS}
    return run_all({**asked, "": ["--help"], "--version": ["--version"], "nothing": []})


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does(helped: dict[str, Ran], name: str) -> None:
    said = helped[name]

    assert (said.code, said.err) == (0, "")
    assert TOLD.get(name, "") in " ".join(said.out.split())


def test_the_command_says_how_to_begin_and_its_exit_codes(helped: dict[str, Ran]) -> None:
    said = helped[""]

    assert said.code == 0
    assert "\n    did-router check " in said.out, "the examples keep their lines"
    assert "0 done or found, 1 refused or differing, 2 wrong usage, 3" in said.out


def test_version(helped: dict[str, Ran]) -> None:
    assert helped["--version"].out.startswith("did-router, version ")


def test_no_command_shows_the_help_as_wrong_usage(helped: dict[str, Ran]) -> None:
    said = helped["nothing"]

    assert said.code == 2
    assert "Commands:" in said.out + said.err
