"""Lines of the log."""

import json
import logging
import re
import sys
from typing import Any

from router.runtime.log_format import JsonFormatter, TextFormatter


def record(template: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("router.some", logging.WARNING, "some.py", 1, template, arguments, None)
    made.__dict__.update(more)
    made.created = 1796000000.125
    return made


def as_json(template: str, *arguments: object, masked: bool = False, **more: Any) -> dict[str, Any]:
    line = JsonFormatter(masked=masked).format(record(template, *arguments, **more))
    assert "\n" not in line
    read: dict[str, Any] = json.loads(line)
    return read


def test_text_has_the_time_in_utc() -> None:
    line = TextFormatter().format(record("the lease was lost"))

    assert line == "2026-11-30T00:53:20.125Z WARNING router.some: the lease was lost"


def test_json_has_event_and_keys_of_the_template() -> None:
    line = as_json("circuit breaker opened: store=%s failures=%d, again in %.1f s", "redis", 3, 0.5)

    assert line["event"] == "circuit_breaker_opened"
    assert line["message"] == "circuit breaker opened: store=redis failures=3, again in 0.5 s"
    assert line["keys"] == {"store": "redis", "failures": 3}
    assert (line["time"], line["level"], line["logger"]) == ("2026-11-30T00:53:20.125Z", "WARNING", "router.some")


def test_json_event_does_not_depend_on_the_arguments() -> None:
    events = {as_json("another follower leads (%s); standing by", name)["event"] for name in ("one", "two")}

    assert events == {"another_follower_leads"}


def test_json_takes_a_named_event_and_keys() -> None:
    line = as_json("%s: %s", "ready", "why", event="state_changed", keys={"state": "ready"})

    assert (line["event"], line["keys"]) == ("state_changed", {"state": "ready"})


def test_json_has_the_traceback_in_one_line() -> None:
    try:
        int("broken")
    except ValueError:
        line = as_json("answering failed", exc_info=sys.exc_info())

    assert re.search(r"ValueError: invalid literal.*$", line["exception"])


def test_masked_numbers_are_nowhere_in_a_line() -> None:
    line = as_json("reading failed: number=%s", "+14158867900", masked=True)

    assert line["message"] == "reading failed: number=+1415886xxxx"
    assert line["keys"] == {"number": "+1415886xxxx"}
    assert "+1415886xxxx" in TextFormatter(masked=True).format(record("of %s", "+14158867900"))
