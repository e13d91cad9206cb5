"""The workers as Envoy's clusters: listed in a file, balanced by the fewer calls of two random workers.

Comparing all workers would be worse: a dead worker has the fewest calls, and would get every retry.
"""

from pathlib import Path

from router.server.edge.plan import TYPES, EdgePlan, Json, file_source, seconds
from router.server.edge.routes import EXCLUSIVE, HTTP, LOOKUPS

WORKERS = "workers"
"""Name of the resource in the file of endpoints, which both clusters read: Envoy reads one resource from a file."""
_STREAMS_UPSTREAM = 100
"""Calls on one connection to a worker; further calls open another connection."""
_UNLIMITED = 1 << 30
_HTTP_IDLE_TIMEOUT = 1800.0
"""Seconds; less than a worker keeps an idle connection, so that Envoy is the one to close it."""
_MAX_CONNECTIONS = 4096


def clusters(plan: EdgePlan) -> list[Json]:
    """Return the clusters, all of them over the same workers.

    Streams and changes don't share connections: a worker closes a connection on which many calls were reset, and calls
    that can't be retried would end with it.
    """
    http2 = {"http2_protocol_options": {"max_concurrent_streams": _STREAMS_UPSTREAM}}
    http1: Json = {"http_protocol_options": {}}
    return [
        _cluster(plan, LOOKUPS, plan.endpoints, http2, {}),
        _cluster(plan, EXCLUSIVE, plan.endpoints, http2, {"max_requests_per_connection": 1}),
        _cluster(plan, HTTP, plan.http_endpoints, http1, {"idle_timeout": seconds(_HTTP_IDLE_TIMEOUT)}),
    ]


def _cluster(plan: EdgePlan, name: str, endpoints: Path, codec: Json, common: Json) -> Json:
    protocol = {
        "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": codec,
        "common_http_protocol_options": common,
    }
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": WORKERS, "eds_config": file_source(endpoints)},
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_thresholds(plan)]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }


def _thresholds(plan: EdgePlan) -> Json:
    return {
        "max_connections": _MAX_CONNECTIONS,
        "max_pending_requests": plan.max_queued_calls,
        "max_requests": plan.max_queued_calls,
        "max_retries": plan.max_queued_calls,
        "max_connection_pools": _UNLIMITED,
    }
