"""The workers as Envoy's clusters: listed in a file, balanced by the fewer calls of two random workers.

Comparing all workers would be worse: a dead worker has the fewest calls, and would get every retry.
"""

from router.server.edge.plan import TYPES, EdgePlan, Json, file_source
from router.server.edge.routes import EXCLUSIVE, LOOKUPS

WORKERS = "workers"
"""Name of the resource in the file of endpoints, which both clusters read: Envoy reads one resource from a file."""
_STREAMS_UPSTREAM = 100
"""Calls on one connection to a worker; further calls open another connection."""
_UNLIMITED = 1 << 30
_MAX_CONNECTIONS = 4096


def clusters(plan: EdgePlan) -> list[Json]:
    """Return both clusters over the same workers.

    Streams and changes don't share connections: a worker closes a connection on which many calls were reset, and calls
    that can't be retried would end with it.
    """
    return [_cluster(plan, LOOKUPS, {}), _cluster(plan, EXCLUSIVE, {"max_requests_per_connection": 1})]


def _cluster(plan: EdgePlan, name: str, common: Json) -> Json:
    http2 = {"max_concurrent_streams": _STREAMS_UPSTREAM}
    protocol = {
        "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": http2},
        "common_http_protocol_options": common,
    }
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": WORKERS, "eds_config": file_source(plan.endpoints)},
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
