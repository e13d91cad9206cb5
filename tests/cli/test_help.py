"""Every command explains itself."""

import subprocess
import sys
from ast import literal_eval

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


_FORKS = """
import os, sys
import click, grpc, orjson, phonenumbers, prometheus_client, pydantic_settings, redis.asyncio, starlette.applications

assert not [name for name in sys.modules if name.partition(".")[0] == "router"]
codes = {}
for name in sys.argv[1:]:
    if not (child := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["did-router", name, "--help"]
        from router.cli.main import main
        main()
    codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(codes)
"""
"""Runs each command in a fork of a process that has imported libraries, which take the most time, and nothing else."""


def test_each_command_imports_by_itself() -> None:
    """A command's module needs no import that another command happened to do first."""
    script = [sys.executable, "-c", _FORKS, *COMMANDS]
    done = subprocess.run(script, capture_output=True, text=True, timeout=100, env=environment(), check=False)

    assert done.stderr == ""
    assert literal_eval(done.stdout) == dict.fromkeys(COMMANDS, 0)


def test_installed_command_starts() -> None:
    assert run_afresh([COMMAND, "number", "--help"], b"", environment(), 60)[0] == 0


def test_lookup_imports_no_store_and_no_settings() -> None:
    """Stores and settings take longer to import than all else that a lookup needs."""
    script = "import sys, router.cli.lookup, router.cli.explain; print(sorted({'redis', 'pydantic'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"


def test_version_is_printed() -> None:
    assert run_here("--version").out.startswith("did-router, version ")


def test_no_command_shows_help_as_wrong_usage() -> None:
    result = run_here()

    assert result.code == 2
    assert "Commands:" in result.out + result.err
