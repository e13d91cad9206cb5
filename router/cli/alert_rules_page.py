"""Generates deploy/prometheus/rules/alerts.yml, and the table of docs/operations.md, from the table of alerts."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from router.console.alert_rules import ALERT_RULES, AlertRule

_HEAD = """\
# Made by `make docs` from router/console/alert_rules.py: change it there. docs/operations.md#alerts says what each
# means and what to do.
#
# `severity`: critical: calls fail, or will; warning: look today; info: look when there is time.
groups:
  - name: did-router
    rules:
"""
_WIDTH = 110
_TABLE = re.compile(r"(?<=\| --- \| --- \| --- \|\n)(\| \[DidRouter.*\n)+")
RULES = Path("deploy/prometheus/rules/alerts.yml")
RUNBOOK = Path("docs/operations.md")


def rules() -> str:
    """Return Prometheus' rules."""
    return _HEAD + "".join(line for rule in ALERT_RULES for line in _rule(rule))


def _rule(rule: AlertRule) -> Iterator[str]:
    yield f"      - alert: {rule.name}\n"
    yield from _expression(rule.expression)
    if rule.wait:
        yield f"        for: {rule.wait}\n"
    yield f"        labels: {{ severity: {rule.severity.value} }}\n"
    yield "        annotations:\n"
    for name in ("summary", "effect", "remedy"):
        text = getattr(rule, name).replace("'", "''")
        yield f"          {name}: '{text}'\n"
    yield f"          runbook: docs/operations.md#{rule.name.lower()}\n"


def _expression(text: str) -> Iterator[str]:
    if len(text) <= _WIDTH:
        yield f"        expr: {text}\n"
        return
    yield "        expr: >-\n"
    for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
        yield f"          {line}\n"


def runbook(page: str) -> str:
    """Return docs/operations.md with its table of alerts regenerated."""
    return _TABLE.sub(lambda _: "".join(map(_row, ALERT_RULES)), page, count=1)


def _row(rule: AlertRule) -> str:
    condition = f"`{rule.expression}`" + (f" for {rule.wait}" if rule.wait else "")
    return f"| [{rule.name}](#{rule.name.lower()}) | {rule.severity.value} | {condition} |\n"


if __name__ == "__main__":
    RULES.write_text(rules(), "utf-8")
    RUNBOOK.write_text(runbook(RUNBOOK.read_text("utf-8")), "utf-8")
