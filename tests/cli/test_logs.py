"""The log of a service: JSON, without full numbers, with a line for each refused call."""

import json
import re
import signal
from typing import Any

from tests.cli.command import SERVE, Start, run, serving

ROUTED, UNKNOWN = "+14158867900", "+14158860000"


def test_masked_json_log_has_calls_and_no_full_number(start: Start, stores: tuple[str, ...]) -> None:
    logs = ("log_format=json", "log_numbers=masked", "log_calls=refused")
    options = [word for each in logs for word in ("--set", each)]
    process = start(*SERVE, *stores, *options, "--log-level", "debug")
    running = serving(process)
    for number in (ROUTED, ROUTED, UNKNOWN, "tel:(415) 886-0000"):
        run("lookup", "--target", running.target, number)
    process.wait_for('"event":"call"')
    process.end(signal.SIGTERM)
    lines: list[dict[str, Any]] = [json.loads(line) for line in process.lines]

    assert {"time", "level", "logger", "worker", "pid", "event", "message"} <= lines[0].keys()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    calls = [line["keys"] for line in lines if line["event"] == "call"]
    assert {(call["protocol"], call["reason"], call["number"]) for call in calls} == {
        ("grpc", "NUMBER_NOT_FOUND", "+1415886xxxx")
    }
    assert [line for line in process.lines if re.search(r"886-?7900|886-?0000", line)] == []
