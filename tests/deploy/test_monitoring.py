"""Alert rules, objectives and dashboard: by promtool, and against what a running service says of itself."""

import importlib.util
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from router.client import Client, Tls
from router.embedded import EmbeddedRedis
from tests.cli.command import SERVE, Process, databases_at, number, serving
from tests.deploy.tools import DEPLOY, ROOT, find, run
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually

RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARD = DEPLOY / "grafana" / "did-router.json"
RUNBOOK = ROOT / "docs" / "operations.md"

_METRIC = re.compile(r"(?<![:\w])(?:did_router|grpc_server|http_server|process)_[a-z0-9_]+(?![:\w])")
_RECORDED = re.compile(r"(?<![:\w])[a-z_]+:[a-z0-9_]+:[a-z0-9_]+")
_BUCKET = re.compile(r"(\w+)_bucket\{[^}]*le=\"([0-9.]+)\"")
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """Return the dashboard's queries, with Grafana's variables filled in."""
    texts = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [text.replace("$__rate_interval", "1m").replace("$job", ".+").replace("$instance", ".+") for text in texts]


def test_rules_are_accepted() -> None:
    done = run(find("promtool"), "check", "rules", *RULES)

    assert done.returncode == 0, done.stderr


def test_prometheus_configuration_is_accepted() -> None:
    done = run(find("promtool"), "check", "config", DEPLOY / "prometheus" / "prometheus.yml")

    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.timeout(400)
def test_alerts_fire_and_keep_quiet() -> None:
    done = run(find("promtool"), "test", "rules", *TESTS, seconds=390)

    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_have_a_firing_and_a_quiet_case_each() -> None:
    cases: dict[str, set[bool]] = {}
    for test in (test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]):
        assert test["input_series"]
        for case in test["alert_rule_test"]:
            cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))

    assert cases == {alert["alert"]: {True, False} for alert in ALERTS}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("expression", ["vector(1) < 0", "vector(1)"], ids=["never", "always"])
def test_alert_tests_notice_broken_rules(expression: str, tmp_path: Path) -> None:
    """Alerts that never fire fail each firing case, alerts that always fire each quiet case."""
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    file = tmp_path / "rules" / "alerts.yml"
    content = yaml.safe_load(file.read_text())
    for rule in content["groups"][0]["rules"]:
        rule["expr"] = expression
        rule.pop("for", None)
    file.write_text(yaml.safe_dump(content))
    done = run(find("promtool"), "test", "rules", *sorted((tmp_path / "tests").iterdir()), seconds=390)

    assert done.returncode != 0
    kind = "quiet" if expression == "vector(1)" else "firing"
    reported = done.stdout + done.stderr
    assert [alert["alert"] for alert in ALERTS if f"name: {alert['alert']} {kind}" not in reported] == []


def test_dashboard_is_current() -> None:
    path = DEPLOY / "grafana" / "dashboard.py"
    spec = importlib.util.spec_from_file_location("dashboard", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert DASHBOARD.read_text() == module.text(), "run `make docs`"


def test_dashboard_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_dashboard_queries_are_promql(tmp_path: Path) -> None:
    recorded = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    done = run(find("promtool"), "check", "rules", "--lint=none", file)

    assert done.returncode == 0, done.stderr
    assert len(recorded) > 50


def test_every_recorded_series_that_is_used_exists() -> None:
    used = {name for text in [*queries(), *(rule["expr"] for rule in ALERTS)] for name in _RECORDED.findall(text)}

    assert used
    assert used <= RECORDED


def test_every_alert_has_its_section_in_the_runbook() -> None:
    headings = re.findall(r"^#### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)

    assert headings == [alert["alert"] for alert in ALERTS]
    assert all(alert["annotations"]["runbook"].endswith(f"#{alert['alert'].lower()}") for alert in ALERTS)


def test_every_section_of_the_runbook_begins_at_the_console() -> None:
    """A section says what the alert means, where to look and what to do."""
    sections = re.split(r"^####? ", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)
    runbook = {each.partition("\n")[0]: each.partition("\n")[2] for each in sections}
    form = re.compile(r"\n(?!- ).+\n\n- \*\*Look at\*\* .*?\*(?:Health|Numbers|Why)\*.*?\n- \*\*Do\*\*.+", re.DOTALL)

    assert [alert["alert"] for alert in ALERTS if form.match(runbook[alert["alert"]]) is None] == []


@pytest.fixture(scope="module")
def scrape(couchdb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a service with TLS and a follower, after lookups and a change."""
    folder, authority = tmp_path_factory.mktemp("tls"), CertAuthority()
    certificate, key = authority.issue(folder)
    tls = ("--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}", "--transport", "grpcio")
    with EmbeddedRedis() as redis:
        stores = ("--couchdb-url", couchdb, "--redis-url", redis.url)
        process = Process(*SERVE, "--with-follower", *tls, *stores)
        try:
            running = serving(process)
            process.wait_for("readiness: ready:")
            with Client(running.target, deadline=10, tls=Tls(authority.pem)) as client:
                client.lookup_batch(["4158867900", "911", "+14158860000"])
            databases_at(couchdb).database("numbers/+1415").put(number("+14158867999"))
            eventually(lambda: "did_router_change_visible_seconds_bucket" in running.page("/metrics"))
            yield running.page("/metrics")
        finally:
            process.end(signal.SIGTERM)


def test_every_metric_is_in_a_live_scrape(scrape: str) -> None:
    families = list(text_string_to_metric_families(scrape))
    known = {family.name for family in families} | {sample.name for family in families for sample in family.samples}
    named = {name for text in [*queries(), *(rule["expr"] for rule in rules())] for name in _METRIC.findall(text)}
    bases = {name: {name, *(name.removesuffix(suffix) for suffix in _SUFFIXES)} for name in named}

    assert len(named) > 40
    assert {name for name, spellings in bases.items() if not spellings & known} == set()


def test_every_bucket_that_is_named_exists(scrape: str) -> None:
    families = {family.name: family for family in text_string_to_metric_families(scrape)}
    named = {found for rule in rules() for found in _BUCKET.findall(rule["expr"])}

    assert named
    for histogram, bound in named:
        assert bound in {sample.labels.get("le") for sample in families[histogram].samples}


def test_page_is_accepted_by_promtool(scrape: str) -> None:
    command = [find("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=scrape, capture_output=True, text=True, check=False)
    problems = [*done.stdout.splitlines(), *done.stderr.splitlines()]

    assert [line for line in problems if line.startswith(("did_router", "grpc", "http"))] == []
