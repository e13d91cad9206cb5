"""The examples of the documentation against a real service, the switches' own side played by stand-ins."""

import importlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.cli.command import ACCOUNTS, Running, environment, eventually
from tests.faults.links import Link, Trouble

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
UNKNOWN = "+14158860000"
NOBODY = "127.0.0.1:1"

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


def test_client_example_routes_and_refuses(load: Load, service: Running) -> None:
    client = load("did_lookup").DidRouter(service.target, deadline=5)
    found, unknown = client.lookup("4158867900"), client.lookup(UNKNOWN)
    client.close()

    assert (found.route.account_id, found.status) == (ACCOUNTS[0], "OK")
    assert (unknown.route, unknown.status, unknown.reason) == (None, "NOT_FOUND", "NUMBER_NOT_FOUND")
    assert unknown.details == {"number": UNKNOWN}
    assert unknown.sip == (404, "Not Found")


def test_client_example_unreachable_service_gives_503(load: Load) -> None:
    client = load("did_lookup").DidRouter(NOBODY)
    answer = client.lookup("4158867900")
    client.close()

    assert (answer.route, answer.reason, answer.sip[0]) == (None, "", 503)
    assert answer.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_client_example_silent_connection_is_replaced(load: Load, service: Running) -> None:
    host, port = service.target.rsplit(":", 1)
    link = Link(host, int(port))
    module = load("did_lookup")
    # A busy machine answers the next connection's pings within this; half a second was too short once.
    module.CONNECTION |= {"grpc.keepalive_time_ms": 1500, "grpc.http2.ping_timeout_ms": 1500}
    client = module.DidRouter(f"127.0.0.1:{link.port}", deadline=5)
    try:
        before = client.lookup("4158867900")
        link.suffer(Trouble.FORGET)
        lost = client.lookup("4158867900")
        # The next call may still meet the old connection while gRPC closes it.
        eventually(lambda: client.lookup("4158867900").status == "OK", 12)
    finally:
        client.close()
        link.close()

    assert before.status == "OK"
    assert lost.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_client_example_frozen_router_opens_the_circuit_breaker(load: Load, service: Running) -> None:
    host, port = service.target.rsplit(":", 1)
    link = Link(host, int(port))
    module = load("did_lookup")
    client = module.DidRouter(f"127.0.0.1:{link.port}", deadline=0.4)
    try:
        eventually(lambda: client.lookup("4158867900").status == "OK")
        link.suffer(Trouble.DROP)
        asked = [client.lookup("4158867900") for _ in range(3)]
        began = time.monotonic()
        refused = [client.lookup("4158867900") for _ in range(20)]
        took = time.monotonic() - began
        link.suffer(Trouble.REFUSE)  # no connection is no answer either
        time.sleep(module.BREAKER_RESET_TIMEOUT)
        trial, after_trial = client.lookup("4158867900"), client.lookup("4158867900")
        link.heal()
        eventually(lambda: client.lookup("4158867900").status == "OK")
    finally:
        client.close()
        link.close()

    is_open = "not asked: the circuit breaker is open"
    assert [answer.status for answer in asked] == ["DEADLINE_EXCEEDED"] * 3
    assert took < module.BREAKER_RESET_TIMEOUT
    assert {answer.message for answer in [*refused, after_trial]} == {is_open}
    assert trial.message != is_open
    assert trial.reason == ""
    assert {answer.sip[0] for answer in [*asked, *refused]} == {503}


def test_client_example_refusals_keep_the_breaker_closed(load: Load, service: Running) -> None:
    client = load("did_lookup").DidRouter(service.target, deadline=5)
    answers = [client.lookup(UNKNOWN) for _ in range(5)]
    client.close()

    assert {answer.reason for answer in answers} == {"NUMBER_NOT_FOUND"}


def test_client_example_every_refusal_has_a_response(load: Load) -> None:
    reasons = load("router.numbers.routes").Reason

    assert set(load("did_lookup").SIP) == {reason.value for reason in reasons}


def test_asterisk_example_routes_and_refuses(load: Load, service: Running) -> None:
    server = load("asterisk_fastagi").Server(service.target, 0)
    server.router = load("did_lookup").DidRouter(service.target, deadline=5)
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
    script.write_text(block[1].replace("127.0.0.1:50051", service.target).replace("timeout=0.2", "timeout=5"), "utf-8")

    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment(), timeout=30, check=False
    )

    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        f"+14158867900 {ACCOUNTS[0]}",
        "NOT_FOUND NUMBER_NOT_FOUND {'number': '+14158860000'}",
    ]
