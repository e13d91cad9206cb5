"""The examples of the documentation against a real service, the switches' own side played by stand-ins."""

import importlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.client import Client
from tests.cli.command import ACCOUNTS, Running, environment

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
UNKNOWN = "+14158860000"

Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports an example as its switch does."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(EXAMPLES) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_asterisk_example_routes_and_refuses(load: Load, service: Running) -> None:
    server = load("asterisk_fastagi").Server(service.target, 0)
    server.router = Client(service.target, deadline=5)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = agi(server.server_address[1], "agi_extension: 4158867900")
        unknown = agi(server.server_address[1], f"agi_extension: s\nagi_arg_1: {UNKNOWN}")
    finally:
        server.shutdown()
        server.server_close()

    assert found["DID_STATUS"] == "OK"
    assert found["DID_ACCOUNT"] == ACCOUNTS[0]
    assert found["DID_NUMBER"] == "+14158867900"
    assert unknown == {"DID_STATUS": "NUMBER_NOT_FOUND", "DID_CAUSE": "1"}


def agi(port: int, variables: str) -> dict[str, str]:
    """Asterisk's side of one call: what was set."""
    result = {}
    with socket.create_connection(("127.0.0.1", port), timeout=10) as call, call.makefile("rw") as lines:
        lines.write(f"agi_network: yes\n{variables}\n\n")
        lines.flush()
        for line in lines:
            command = re.fullmatch(r'SET VARIABLE (\w+) "(.*)"\n', line)
            assert command is not None
            result[command[1]] = command[2]
            lines.write("200 result=1\n")
            lines.flush()
    return result


class Session:
    """FreeSWITCH's side of one call."""

    def __init__(self, dialled: str) -> None:
        self.variables = {"destination_number": dialled}
        self.cause = ""

    def getVariable(self, name: str) -> str | None:  # noqa: N802 - FreeSWITCH's name
        return self.variables.get(name)

    def setVariable(self, name: str, value: str) -> None:  # noqa: N802 - FreeSWITCH's name
        self.variables[name] = value

    def hangup(self, cause: str) -> None:
        self.cause = cause


def test_freeswitch_example_routes_and_refuses(load: Load, service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DID_LOOKUP_TARGET", service.target)
    monkeypatch.setenv("DID_LOOKUP_DEADLINE", "5")
    channels: list[Any] = []
    monkeypatch.setattr(grpc, "insecure_channel", counting(grpc.insecure_channel, channels))
    found, unknown = Session("4158867900"), Session(UNKNOWN)
    for session in (found, unknown):  # mod_python3 loads the script again for each call
        importlib.reload(load("freeswitch_did")).handler(session, "")

    assert (found.variables["did_status"], found.variables["did_account"], found.cause) == ("OK", ACCOUNTS[0], "")
    assert (unknown.variables["did_status"], unknown.cause) == ("NUMBER_NOT_FOUND", "UNALLOCATED_NUMBER")
    assert len(channels) == 1


def counting(make: Callable[..., Any], made: list[Any]) -> Callable[..., Any]:
    """Keep what a function makes."""

    def counted(*arguments: Any, **options: Any) -> Any:
        made.append(make(*arguments, **options))
        return made[-1]

    return counted


def test_readme_python_example_runs(service: Running, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    script = tmp_path / "readme.py"
    script.write_text(
        block[1].replace("127.0.0.1:50051", service.target).replace("deadline=0.2", "deadline=5"), "utf-8"
    )

    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment(), timeout=30, check=False
    )

    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        f"+14158867900 {ACCOUNTS[0]}",
        "NOT_FOUND NUMBER_NOT_FOUND {'number': '+14158860000'}",
    ]
