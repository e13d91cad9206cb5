"""The health page: a sentence, alerts with remedies, old values, many shards."""

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from router.console.figures import WorkerFigures, read_figures
from router.console.history import History
from router.console.views.health import Health, health
from router.console.views.instances import InstanceState
from tests.component.console.conftest import StartConsole, worker_state

SHARDS = 2500


def page(*workers: dict[str, Any] | None, **more: Any) -> Health:
    """The page of one instance."""
    states = {f"worker-{index}": state for index, state in enumerate(workers)}
    return health([InstanceState("one:9050", states, **more)], History(), 0.5, 100.0, stale_after=10.0)


def test_health_of_a_healthy_service_is_one_sentence() -> None:
    made = page(worker_state(), worker_state())

    assert (made.level, made.alerts) == ("ok", [])
    assert made.sentence == "Serving with 2 workers; 811 databases are followed, none is behind."


@pytest.mark.parametrize(
    ("state", "title", "level"),
    [
        ({"database": False, "why": "CouchDB: refused"}, "CouchDB is away for the worker", "bad"),
        ({"redis": False}, "Redis is away for the worker", "bad"),
        ({"stale": True}, "Answers are marked stale by the worker", "warn"),
        ({"state": "no data"}, "No worker can answer calls", "bad"),
        ({"follower": {"lag": 12.0, "behind": 3}}, "Behind by 12 s in 3 of 811 databases", "warn"),
        ({"follower": {"age_seconds": 20.0}}, "No follower leads", "bad"),
        ({"follower": {"complete": 800}}, "11 of 811 databases are not in the cache yet", "warn"),
        ({"follower": {"copies_pending": 7}}, "7 account copies wait", "ok"),
    ],
)
def test_health_names_the_fault_and_its_remedy(state: dict[str, Any], title: str, level: str) -> None:
    made = page(worker_state(**state))

    alert = made.alerts[0]
    assert (alert.title, made.level) == (title, level)
    assert alert.remedy.endswith(".")
    assert title in made.sentence


def test_health_of_a_worker_that_hangs_is_impaired() -> None:
    made = page(worker_state(), None)

    assert (made.level, made.word) == ("warn", "impaired")
    assert made.alerts[0].title == "worker-1 of one:9050 does not answer"
    assert [row.level for row in made.workers] == ["ok", "bad"]


def test_health_of_an_instance_that_went_away_shows_old_values() -> None:
    made = page(worker_state(), age=12.0, problem="refused")

    assert made.sentence == "No instance answers: nothing is known of the service."
    assert [(row.level, row.reason) for row in made.workers] == [("old", "refused: this is 12 s old")]
    assert made.follower is not None
    assert made.follower.is_old


def test_health_of_an_admin_page_that_the_token_does_not_open() -> None:
    refused = InstanceState("one:9050", {}, problem="this wants admin", refused=True)

    made = health([refused], History(), None, 100.0, stale_after=10.0)

    assert (made.level, made.alerts) == ("old", [])
    assert made.refused == [refused]


def test_health_judges_the_certificates_of_the_supervisor() -> None:
    """It is none of the workers, and what ended is not judged by its last figures."""
    figures = read_figures(
        f"""
did_router_certificate_not_after_timestamp_seconds{{worker="supervisor",setting="tls_certificate"}} {time.time() + 9e5}
did_router_reads_in_flight{{worker="worker-0"}} 1
"""
    )
    history = History()
    for at in (98.0, 100.0):
        history.add(at, {("one:9050", name): each for name, each in figures.items()})
    shown = health([InstanceState("one:9050", {"worker-0": worker_state()})], history, 0.5, 100.0, stale_after=10.0)
    history.add(102.0, {("one:9050", "worker-0"): figures["worker-0"]})
    later = health([InstanceState("one:9050", {"worker-0": worker_state()})], history, 0.5, 102.0, stale_after=10.0)

    assert [alert.title for alert in shown.alerts] == ["The certificate of tls_certificate expires in 10.4 days"]
    assert later.alerts == []


def test_page_shows_2500_shards_that_lag(
    start_console: StartConsole, start_instance: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lags = {f"numbers/+{1000 + index}": float(1 + index) for index in range(SHARDS)}
    state = worker_state(follower={"lag": 2500.0, "behind": SHARDS, "databases": SHARDS, "lags": lags})
    session = start_console(console_instances=(start_instance({"workers": {"worker-0": state}}),)).log_in()
    session.get("/")  # loads the templates

    began = time.monotonic()
    answer = session.get("/")
    took = time.monotonic() - began

    with capsys.disabled():
        sys.stdout.write(f"\n{SHARDS:,} shards: {1000 * took:.0f} ms for the whole page\n")
    rows = re.findall(r'class="id">(numbers/\+\d+)<', answer.text)
    assert len(rows) == SHARDS
    assert rows[0] == f"numbers/+{1000 + SHARDS - 1}", "the furthest behind comes first"
    filtered = session.get("/?shards=%2B1001").text
    assert re.findall(r'class="id">(numbers/\+\d+)<', filtered) == ["numbers/+1001"]


def test_figures_of_others_are_hidden_from_who_may_not_read_them(start_console: StartConsole) -> None:
    visitor = start_console()
    for second in (2, 1, 0):
        figures = WorkerFigures(sources={"near_cache": 100.0 * (3 - second)})
        visitor.server.console.history.add(time.monotonic() - second, {("one:9050", "worker-0"): figures})

    text = visitor.log_in().get("/health").text

    assert "None in this time." in text
    assert "<svg viewBox" not in text


def test_page_shows_the_last_state_of_an_instance_that_does_not_answer(
    start_console: StartConsole, start_instance: Callable[..., str]
) -> None:
    state = worker_state(why="<b>both</b>")
    address = start_instance({"workers": {"worker-0": state}})
    visitor = start_console(console_instances=(address, "127.0.0.1:1"))
    session = visitor.log_in()

    text = session.get("/health").text

    assert "127.0.0.1:1 does not answer" in text
    assert "&lt;b&gt;both&lt;/b&gt;" in text, "everything is escaped"
