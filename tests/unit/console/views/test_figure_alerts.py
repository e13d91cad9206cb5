"""Alerts that the console judges by figures: a firing and a quiet case each."""

from dataclasses import replace

import pytest

from router.console.alert_rules import EXPIRY_NOTICE
from router.console.figures import WorkerFigures
from router.console.history import Point
from router.console.views.figure_alerts import firing_figures
from router.console.views.firing import Figures

NAME, OTHER = ("one:9050", "worker-0"), ("two:9050", "worker-0")
TODAY = 1_800_000_000.0
BUSY = Point(100.0, sources={"near_cache": 1000.0}, latency={0.001: 1000.0, float("inf"): 0.0})


def fired(*points: Point, is_complete: bool = True, **workers: WorkerFigures) -> dict[str, str]:
    """The titles of the alerts, by their rule."""
    named = {("one:9050", name): figures for name, figures in workers.items()}
    found = firing_figures(Figures(points, named, 100.0, TODAY), is_complete=is_complete)
    return {alert.rule.name.removeprefix("DidRouter"): alert.title for alert in found}


def test_figures_of_a_busy_service_fire_nothing() -> None:
    assert fired(BUSY, one=WorkerFigures(settings="a"), two=WorkerFigures(settings="a")) == {}


@pytest.mark.parametrize(
    ("point", "alert", "title"),
    [
        (replace(BUSY, refusals={"OVERLOADED": 2.0}), "Overloaded", "2.0 calls a second are refused as OVERLOADED"),
        (replace(BUSY, unknown_accounts=0.1), "UnknownAccounts", "Calls go to accounts without a document"),
        (replace(BUSY, misses=60.0), "Misses", "6% of the lookups find nothing in a cache"),
        (replace(BUSY, failed=2.0), "Failing", "0.2% of the lookups fail"),
        (
            replace(BUSY, latency={0.05: 980.0, 0.1: 20.0}),
            "Slow",
            "2.0% of the Lookup calls take more than 50 ms",
        ),
        (
            replace(BUSY, changes={1.0: 9.0, 2.0: 1.0}),
            "ChangesLate",
            "10% of changes became visible after more than a second",
        ),
        (
            replace(BUSY, restarts={NAME: 4.0, OTHER: 3.0}),
            "WorkersRestart",
            "worker-0 of one:9050 ended 4 times in a quarter of an hour",
        ),
    ],
)
def test_figures_over_the_bound_fire_the_alert(point: Point, alert: str, title: str) -> None:
    assert fired(point) == {alert: title}


@pytest.mark.parametrize(
    "point",
    [
        replace(BUSY, misses=40.0, failed=1.0, latency={0.05: 990.0, 0.1: 10.0}),
        replace(BUSY, changes={1.0: 96.0, 2.0: 4.0}, restarts={NAME: 3.0}),
        Point(100.0, sources={"redis": 0.1}, misses=0.1, failed=0.1),
    ],
    ids=["below the bounds", "few restarts and late changes", "hardly any lookups"],
)
def test_figures_below_the_bound_fire_nothing(point: Point) -> None:
    assert fired(point) == {}


def test_misses_while_the_cache_is_filled_fire_nothing() -> None:
    assert fired(replace(BUSY, misses=900.0), is_complete=False) == {}


def test_failures_of_the_last_minutes_alone_fire_nothing() -> None:
    """As in Prometheus a short and a long time must agree."""
    before = [replace(BUSY, at=100.0 - 400 - ago) for ago in range(100)]

    assert fired(*before, replace(BUSY, failed=2.0)) == {}


@pytest.mark.parametrize(("reading", "names"), [(201.0, ["CouchDBSlow"]), (200.0, [])])
def test_reads_in_flight_are_judged_by_worker(reading: float, names: list[str]) -> None:
    assert list(fired(BUSY, one=WorkerFigures(in_flight=reading), two=WorkerFigures(in_flight=100.0))) == names


def test_different_settings_fire_the_alert() -> None:
    found = fired(BUSY, one=WorkerFigures(settings="a"), two=WorkerFigures(settings="b"))

    assert found == {"SettingsDiffer": "Processes run with 2 different settings"}


@pytest.mark.parametrize(
    ("left", "title"),
    [
        (EXPIRY_NOTICE - 86400.0, "The certificate of tls_certificate expires in 13 days"),
        (-5.0, "The certificate of tls_certificate has expired"),
        (EXPIRY_NOTICE + 1.0, None),
    ],
)
def test_certificate_fires_the_alert_before_it_expires(left: float, title: str | None) -> None:
    figures = WorkerFigures(certificates={"tls_certificate": TODAY + left, "tls_client_ca": TODAY + 1e9})

    assert fired(BUSY, one=figures).get("CertificateExpires") == title
