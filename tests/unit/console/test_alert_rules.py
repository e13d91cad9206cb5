"""The table of alerts, and what is made from it."""

from pathlib import Path

import pytest

from router.cli.alert_rules_page import RULES, RUNBOOK, rules, runbook
from router.console import alert_rules
from router.console.alert_rules import ALERT_RULES, AlertRule
from router.console.views.firing import Alert

ROOT = Path(__file__).parents[3]


def test_rules_file_is_made_from_the_table() -> None:
    assert (ROOT / RULES).read_text("utf-8") == rules(), "run `make docs`"


def test_runbook_table_is_made_from_the_table() -> None:
    page = (ROOT / RUNBOOK).read_text("utf-8")

    assert page == runbook(page), "run `make docs`"
    assert page.count("| [DidRouter") == len(ALERT_RULES)


def test_table_holds_every_rule_once() -> None:
    defined = [each for each in vars(alert_rules).values() if isinstance(each, AlertRule) and each.name]

    assert list(ALERT_RULES) == defined
    assert len({rule.name for rule in ALERT_RULES}) == len(ALERT_RULES)


def test_console_judges_every_alert_but_its_own_absence() -> None:
    """Each alert's constant is used by the console's own judgement."""
    views = ROOT / "router" / "console" / "views"
    judged = "".join((views / name).read_text("utf-8") for name in ("alerts.py", "figure_alerts.py"))
    names = {name for name, each in vars(alert_rules).items() if isinstance(each, AlertRule)}

    assert {name for name in names if f"rules.{name}" not in judged} == {"ABSENT"}


def test_windows_are_those_of_the_expression() -> None:
    assert alert_rules.OVERLOADED.windows == (60,)
    assert alert_rules.FAILING.windows == (300, 1800, 3600, 21600)
    assert alert_rules.STALE.windows == ()


@pytest.mark.parametrize(
    ("rule", "note"),
    [
        (alert_rules.STALE, "Judged by what is known now. Prometheus waits 30s, so"),
        (alert_rules.SLOW, "Judged by the last 15 min. Prometheus looks back 1 h, so"),
        (alert_rules.CHANGES_LATE, "Judged by the last 15 min. Prometheus waits 10m and looks back 1 h, so"),
        (alert_rules.MISSES, "Judged by the last 5 min. Prometheus waits 10m, so"),
        (alert_rules.WORKERS_RESTART, ""),
        (alert_rules.INSTANCE_SILENT, ""),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_alert_says_where_prometheus_judges_otherwise(rule: AlertRule, note: str) -> None:
    judged_by = Alert(rule, "title").judged_by

    assert judged_by.startswith(note)
    assert bool(judged_by) == bool(note)
