"""Figures become rates: restarts, gaps, quantiles."""

import pytest

from router.console.figures import WorkerFigures, read_figures
from router.console.history import History, quantile

NAME = ("one:9050", "worker-0")
METRICS = """
# TYPE did_router_lookups counter
did_router_lookups_total{protocol="grpc",result="route",reason="",source="near_cache",worker="worker-0"} 80.0
did_router_lookups_total{protocol="sip",result="route",reason="",source="near_cache",worker="worker-0"} 10.0
did_router_lookups_total{protocol="grpc",result="route",reason="",source="redis",worker="worker-0"} 10.0
did_router_lookups_total{protocol="grpc",result="refusal",reason="NUMBER_NOT_FOUND",source="redis",worker="worker-0"} 5.0
did_router_lookups_total{protocol="grpc",result="failed",reason="OVERLOADED",source="none",worker="worker-1"} 2.0
did_router_lookups_total{protocol="grpc",result="route",reason="",source="near_cache",worker="worker-1"} 1.0
# TYPE grpc_server_call_duration_seconds histogram
grpc_server_call_duration_seconds_bucket{grpc_method="router.v1.InboundRouter/Lookup",grpc_status="OK",le="0.001",worker="worker-0"} 90.0
grpc_server_call_duration_seconds_bucket{grpc_method="router.v1.InboundRouter/Lookup",grpc_status="OK",le="+Inf",worker="worker-0"} 95.0
grpc_server_call_duration_seconds_bucket{grpc_method="router.v1.InboundRouter/Lookup",grpc_status="NOT_FOUND",le="+Inf",worker="worker-0"} 5.0
grpc_server_call_duration_seconds_bucket{grpc_method="router.v1.NumberManager/Get",grpc_status="OK",le="+Inf",worker="worker-0"} 7.0
# TYPE did_router_unknown_accounts counter
did_router_unknown_accounts_total{worker="worker-0"} 3.0
# TYPE did_router_lookup_misses counter
did_router_lookup_misses_total{worker="worker-0"} 4.0
# TYPE did_router_worker_restarts counter
did_router_worker_restarts_total{worker="worker-0"} 2.0
# TYPE did_router_config_info gauge
did_router_config_info{hash="abc",worker="worker-0"} 1.0
# TYPE did_router_certificate_not_after_timestamp_seconds gauge
did_router_certificate_not_after_timestamp_seconds{setting="tls_certificate"} 1.8e+09
# TYPE did_router_change_visible_seconds histogram
did_router_change_visible_seconds_bucket{le="1.0",worker="worker-0"} 8.0
did_router_change_visible_seconds_bucket{le="+Inf",worker="worker-0"} 9.0
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes{worker="worker-0"} 1e+08
# TYPE other gauge
other{worker="worker-0"} 1.0
"""  # noqa: E501 - lines of a page


def figures(routes: float, refused: float = 0.0) -> WorkerFigures:
    return WorkerFigures(sources={"near_cache": routes}, refusals={"OVERLOADED": refused})


def test_figures_are_read_by_worker_and_counted_once() -> None:
    read = read_figures(METRICS)

    assert sorted(read) == ["worker-0", "worker-1"]
    assert dict(read["worker-0"].sources) == {"near_cache": 90.0, "redis": 10.0}
    assert dict(read["worker-0"].refusals) == {"NUMBER_NOT_FOUND": 5.0}
    assert read["worker-0"].lookups == 105.0
    assert read["worker-0"].memory == 1e8


def test_figures_hold_the_duration_of_lookups_alone() -> None:
    figures = read_figures(METRICS)["worker-0"]

    assert dict(figures.latency) == {0.001: 90.0, float("inf"): 100.0}
    assert figures.unknown_accounts == 3.0


def test_figures_hold_what_the_alerts_are_judged_by() -> None:
    read = read_figures(METRICS)
    figures = read["worker-0"]

    assert (figures.misses, figures.restarts, figures.settings) == (4.0, 2.0, "abc")
    assert figures.certificates == {"tls_certificate": 1.8e9}
    assert dict(figures.changes) == {1.0: 8.0, float("inf"): 9.0}
    assert (read["worker-0"].failed, read["worker-1"].failed) == (0.0, 2.0)


def test_restarts_are_counted_from_one_poll_to_the_next() -> None:
    history = History()
    for at, restarts in (100.0, 7.0), (102.0, 7.0), (104.0, 9.0):
        history.add(at, {NAME: WorkerFigures(restarts=restarts)})

    assert [point.restarts[NAME] for point in history.points] == [0.0, 2.0]


def test_rate_is_by_the_time_that_passed() -> None:
    history = History()
    history.add(100.0, {NAME: figures(0)})
    history.add(102.0, {NAME: figures(20, 4)})
    history.add(107.0, {NAME: figures(120, 4)})

    assert [point.lookups for point in history.points] == [12.0, 20.0]
    assert history.points[0].refusals == {"OVERLOADED": 2.0}


def test_rate_after_a_restart_counts_from_zero() -> None:
    history = History()
    history.add(100.0, {NAME: figures(1000)})
    history.add(102.0, {NAME: figures(10)})

    assert [point.lookups for point in history.points] == [5.0]


def test_rate_after_a_long_gap_begins_anew() -> None:
    history = History()
    history.add(100.0, {NAME: figures(0)})
    history.add(200.0, {NAME: figures(100_000)})
    history.add(202.0, {NAME: figures(100_002)})

    assert [point.lookups for point in history.points] == [1.0]


def test_points_older_than_15_minutes_are_dropped() -> None:
    history = History()
    for second in range(0, 2000, 2):
        history.add(float(second), {NAME: figures(second)})

    assert len(history.points) == 451


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.001), (0.75, 0.0055), (1.0, 0.01), (0.25, 0.0005)])
def test_quantile_is_interpolated_inside_its_bucket(share: float, seconds: float) -> None:
    assert quantile({0.001: 50.0, 0.01: 50.0, 0.1: 0.0}, share) == pytest.approx(seconds)


def test_quantile_of_nothing_is_none() -> None:
    assert quantile({0.001: 0.0}, 0.99) is None
    assert quantile({0.001: 0.0, float("inf"): 5.0}, 0.99) == 0.001
