"""Every command explains itself."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from router.cli.main import COMMANDS
from tests.cli.command import COMMAND, environment, run, run_afresh, run_here

PURPOSE = {
    "audit": "Exits with 1",
    "check": "print each fault with its remedy",
    "demo": "embedded stores",
    "embedded": "until Ctrl-C",
    "explain": "Explain why",
    "export": "can restore the same numbers",
    "follow": "until SIGTERM",
    "import": "again after a kill",
    "lookup": "Exits with 1",
    "normalise": "Exits with 1",
    "number": "A number's lifecycle",
    "recent": "refused or slow, the newest first",
    "serve": "until SIGTERM",
    "token": "callers authenticate to a service",
    "maintenance": "due by time",
    "warm": "Exits with 1",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_states_its_purpose(name: str) -> None:
    result = run_here(name, "--help")

    assert (result.code, result.err) == (0, "")
    assert PURPOSE.get(name, "") in " ".join(result.out.split())


def test_help_shows_first_steps_and_exit_codes() -> None:
    result = run("--help")

    assert result.code == 0
    assert "\n    did-router check " in result.out, "the examples keep their lines"
    assert "0 success, 1 refused or different, 2 wrong usage, 3" in result.out


def test_each_command_imports_by_itself() -> None:
    """A command's module needs no import that another command happened to do first."""
    with ThreadPoolExecutor(4) as pool:
        asked = pool.map(lambda name: run_afresh([COMMAND, name, "--help"], b"", environment(), 60), COMMANDS)
        ended = dict(zip(COMMANDS, asked, strict=True))

    assert {name: (code, err) for name, (code, _, err) in ended.items()} == dict.fromkeys(COMMANDS, (0, b""))


def test_lookup_imports_no_store_and_no_settings() -> None:
    """They take longer to import than all else that a lookup needs."""
    script = "import sys, router.cli.lookup, router.cli.explain; print(sorted({'redis', 'pydantic'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"


def test_version_is_printed() -> None:
    assert run_here("--version").out.startswith("did-router, version ")


def test_no_command_shows_help_as_wrong_usage() -> None:
    result = run_here()

    assert result.code == 2
    assert "Commands:" in result.out + result.err
