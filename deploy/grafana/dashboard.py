"""Prints deploy/grafana/did-router.json, the dashboard: `make docs` writes it, and a test compares the two.

Each panel is an entry here: its title, unit and queries. Positions and Grafana's many defaults are made from them.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_JOB = 'job=~"$job"'
_HERE = f'{_JOB},instance=~"$instance"'
_LOOKUP = f'{_HERE},grpc_method=~".*/Lookup"'
_COLUMNS, _HEIGHT = 24, 7
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        queries: PromQL with the legend of its series.
        unit: Grafana's name.
        kind: timeseries or stat.
        width: of 24 columns.
        stack: series are shares of a whole.
        help: shown behind the title.
    """

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    width: int = 8
    stack: bool = False
    help: str = ""


def _rate(metric: str, by: str, labels: str = _HERE) -> tuple[str, str]:
    """Return the rate of a counter by labels, and a legend of them."""
    legend = " ".join(f"{{{{{name}}}}}" for name in by.split(", "))
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))", legend


def _quantile(quantile: float, histogram: str, by: str = "", labels: str = _HERE) -> str:
    groups = ", ".join(filter(None, ("le", by)))
    rate = f"rate({histogram}_bucket{{{labels}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({groups}) ({rate}))"


def _gauge(metric: str, by: str, reduce: str = "sum") -> tuple[str, str]:
    legend = " ".join(f"{{{{{name}}}}}" for name in by.split(", "))
    return f"{reduce} by ({by}) ({metric}{{{_HERE}}})", legend


def _of_follower(metric: str) -> str:
    return f"max(did_router_follower_{metric}{{{_JOB}}})"


def _stat(title: str, unit: str, query: str, help_: str = "") -> Panel:
    return Panel(title, unit, [(query, "")], kind="stat", width=4, help=help_)


_HEALTH = (
    _stat("Workers that can answer", "short", f"sum(did_router_serving{{{_HERE}}})"),
    _stat("Lookups", "reqps", f"sum(rate(did_router_lookups_total{{{_HERE}}}[$__rate_interval]))"),
    _stat(
        "Failed",
        "percentunit",
        f'sum(rate(did_router_lookups_total{{{_HERE},result="failed"}}[$__rate_interval])) '
        f'/ sum(rate(did_router_lookups_total{{{_HERE},result!="invalid"}}[$__rate_interval]))',
        "Lookups that the service could not answer. A refusal is an answer.",
    ),
    _stat("Lookup calls, 99th percentile", "s", _quantile(0.99, "grpc_server_call_duration_seconds", labels=_LOOKUP)),
    _stat("Follower's lag", "s", _of_follower("lag_seconds")),
    _stat("Firing alerts", "short", 'count(ALERTS{alertname=~"DidRouter.*",alertstate="firing"}) or vector(0)'),
)
_LOOKUPS = (
    Panel("By result", "reqps", [_rate("did_router_lookups_total", "result")], stack=True),
    Panel(
        "By source", "reqps", [_rate("did_router_lookups_total", "source")], stack=True, help="none: no store was asked"
    ),
    Panel(
        "Refusals and failures by reason", "reqps", [_rate("did_router_lookups_total", "reason", f'{_HERE},reason!=""')]
    ),
    Panel(
        "Duration of Lookup calls",
        "s",
        [
            (_quantile(each, "grpc_server_call_duration_seconds", labels=_LOOKUP), f"p{each * 100:g}")
            for each in (0.5, 0.9, 0.99)
        ],
    ),
    Panel("By protocol", "reqps", [_rate("did_router_lookups_total", "protocol")], stack=True),
    Panel(
        "Misses",
        "reqps",
        [
            (_rate("did_router_lookup_misses_total", "job")[0], "misses {{job}}"),
            (_rate("did_router_lookup_coalesced_total", "job")[0], "of them waited for another's read {{job}}"),
        ],
        help="Lookups for numbers that no cache held, or past the caches.",
    ),
)
_CALLS = (
    Panel(
        "gRPC calls by method and status",
        "reqps",
        [_rate("grpc_server_call_duration_seconds_count", "grpc_method, grpc_status")],
    ),
    Panel(
        "HTTP requests by route and status",
        "reqps",
        [_rate("http_server_request_duration_seconds_count", "http_route, http_response_status_code")],
    ),
    Panel(
        "SIP and ENUM by code",
        "reqps",
        [
            (_rate("did_router_sip_request_duration_seconds_count", "code")[0], "SIP {{code}}"),
            (_rate("did_router_enum_query_duration_seconds_count", "rcode")[0], "ENUM {{rcode}}"),
            (_rate("did_router_messages_dropped_total", "protocol, why")[0], "dropped {{protocol}} {{why}}"),
        ],
    ),
    Panel("Calls that wait", "short", [_gauge("did_router_calls_waiting", "instance, protocol")]),
    Panel(
        "Calls in a batch",
        "short",
        [(_quantile(0.5, "did_router_batch_calls"), "median"), (_quantile(0.99, "did_router_batch_calls"), "p99")],
        help="A batch grows with load: one read of Redis answers all of it.",
    ),
    Panel("Time of a batch", "s", [(_quantile(0.99, "did_router_batch_duration_seconds"), "p99")]),
)
_STORES = (
    Panel(
        "Reachable",
        "short",
        [
            _gauge("did_router_store_up", "store, instance", "min"),
            (
                _gauge("did_router_circuit_breaker_open", "store, instance", "max")[0],
                "breaker open {{store}} {{instance}}",
            ),
        ],
    ),
    Panel("Requests", "reqps", [_rate("did_router_store_request_duration_seconds_count", "store, operation, outcome")]),
    Panel(
        "Duration, 99th percentile",
        "s",
        [(_quantile(0.99, "did_router_store_request_duration_seconds", "store, operation"), "{{store}} {{operation}}")],
    ),
    Panel("Numbers that are being read from CouchDB", "short", [_gauge("did_router_reads_in_flight", "instance")]),
    Panel("Entries of near caches", "short", [_gauge("did_router_near_cache_entries", "instance")]),
    Panel(
        "Changes of near caches",
        "ops",
        [
            (_rate("did_router_near_cache_invalidations_total", "instance")[0], "invalidated {{instance}}"),
            (_rate("did_router_near_cache_evictions_total", "instance")[0], "evicted {{instance}}"),
        ],
    ),
)
_FOLLOWER = (
    Panel(
        "Lag",
        "s",
        [
            (_of_follower("lag_seconds"), "oldest change"),
            (_of_follower("age_seconds"), "age of its status"),
            (f"topk(5, max by (database) (did_router_follower_database_lag_seconds{{{_JOB}}}))", "{{database}}"),
        ],
    ),
    Panel(
        "Databases",
        "short",
        [
            (_of_follower("databases"), "followed"),
            (_of_follower("databases_complete"), "complete"),
            (_of_follower("databases_behind"), "behind"),
            (_of_follower("feeds"), "open feeds"),
            (_of_follower("copies_pending"), "account copies pending"),
        ],
    ),
    Panel(
        "Changes",
        "ops",
        [(f"sum(rate(did_router_follower_changes_applied_total{{{_JOB}}}[$__rate_interval]))", "applied")],
    ),
    Panel(
        "Until a change is visible",
        "s",
        [
            (_quantile(0.5, "did_router_change_visible_seconds", labels=_JOB), "median"),
            (_quantile(0.99, "did_router_change_visible_seconds", labels=_JOB), "p99"),
        ],
    ),
    Panel("Number manager", "ops", [_rate("did_router_number_operations_total", "operation, outcome, error")]),
    Panel("Calls by token", "reqps", [_rate("did_router_token_calls_total", "protocol, token")]),
    Panel("Refused tokens", "reqps", [_rate("did_router_tokens_refused_total", "protocol, why")]),
)
_PROCESSES = (
    Panel("In service", "short", [_gauge("did_router_worker_up", "instance, worker", "min")]),
    Panel("CPU", "percentunit", [_rate("process_cpu_seconds_total", "instance, worker")]),
    Panel("Memory", "bytes", [_gauge("process_resident_memory_bytes", "instance, worker")]),
    Panel(
        "Restarts within 15 minutes",
        "short",
        [(f"increase(did_router_worker_restarts_total{{{_HERE}}}[15m])", "{{instance}} {{worker}}")],
    ),
    Panel(
        "Certificates expire in",
        "s",
        [(f"min by (setting) (did_router_certificate_not_after_timestamp_seconds{{{_HERE}}}) - time()", "{{setting}}")],
    ),
    Panel("Versions", "short", [_gauge("did_router_build_info", "version, transport", "count")]),
)
ROWS = {
    "Is it healthy?": _HEALTH,
    "Lookups": _LOOKUPS,
    "Calls": _CALLS,
    "Stores": _STORES,
    "Follower": _FOLLOWER,
    "Processes": _PROCESSES,
}


def dashboard() -> dict[str, Any]:
    """Return Grafana's model of the dashboard."""
    variables = [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        _variable("job", "label_values(did_router_serving, job)"),
        _variable("instance", 'label_values(did_router_serving{job=~"$job"}, instance)'),
    ]
    return {
        "uid": "did-router",
        "title": "did-router",
        "tags": ["did-router"],
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "editable": True,
        "templating": {"list": variables},
        "panels": list(_panels()),
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _panels() -> Iterator[dict[str, Any]]:
    """Yield the panels from left to right and from top to bottom."""
    y, number = 0, 0
    for title, panels in ROWS.items():
        number += 1
        grid = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}
        x, y = 0, y + 1
        for panel in panels:
            if x + panel.width > _COLUMNS:
                x, y = 0, y + _HEIGHT
            number += 1
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": _HEIGHT})
            x += panel.width
        y += _HEIGHT


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "area"}
    if panel.kind == "timeseries":
        mode = "normal" if panel.stack else "none"
        defaults["custom"] = {"fillOpacity": 20 if panel.stack else 0, "stacking": {"mode": mode}}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend or "__auto"}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def text() -> str:
    """Return the whole of did-router.json."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
