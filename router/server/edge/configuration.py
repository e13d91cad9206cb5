"""Builds Envoy's configuration from the plan, without I/O."""

from router.server.edge.clusters import clusters
from router.server.edge.listener import listener
from router.server.edge.plan import TYPES, EdgePlan, Json, seconds
from router.server.edge.statistics import KEPT_STATISTICS, STATISTICS_TAGS

_DRAIN_PRESSURE = "envoy.resource_monitors.injected_resource"
_PRESSURE_THRESHOLD = 0.9
_REFRESH_INTERVAL = 0.2
"""Seconds between two readings of the pressure."""
_DRAINED_IDLE_TIMEOUT = 0.05
_ALLOCATOR_CACHE = 4 << 20
"""Bytes of free memory that Envoy's allocator keeps for each CPU: what a batch of calls takes."""
_MAX_RESETS = 200
"""Early resets of a connection's calls after which it is closed if most of its calls were reset."""
_EARLY_RESET_SECONDS = 1
"""Age of a call below which a reset counts as early."""
_MAX_CALLS_PER_CYCLE = 20
"""Calls of one connection that start before another connection is read."""


def bootstrap(plan: EdgePlan) -> Json:
    """Return the configuration that `envoy --config-path` reads; its JSON is YAML too."""
    return {
        "node": {"id": "did-router", "cluster": "did-router"},
        "admin": {"address": {"pipe": {"path": str(plan.admin_socket), "mode": 0o600}}},
        "static_resources": {"listeners": [listener(plan)], "clusters": clusters(plan)},
        "overload_manager": _overload_manager(plan),
        "memory_allocator_manager": {"max_per_cpu_cache_size_bytes": _ALLOCATOR_CACHE},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _runtime()}]},
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": KEPT_STATISTICS}}]}},
            "stats_tags": _tags(),
            "use_all_default_tags": False,
        },
    }


def _tags() -> list[Json]:
    return [{"tag_name": name, **({"regex": regex} if regex else {})} for name, regex in STATISTICS_TAGS.items()]


def _overload_manager(plan: EdgePlan) -> Json:
    config = {
        "@type": f"{TYPES}extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": plan.max_connections,
    }
    connections = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}
    return {
        "refresh_interval": seconds(_REFRESH_INTERVAL),
        "resource_monitors": [connections, _draining(plan)],
        "actions": [_close_idle_connections()],
    }


def _draining(plan: EdgePlan) -> Json:
    """Return a resource monitor that reads the pressure from a file: 1 while draining."""
    config = {
        "@type": f"{TYPES}extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
        "filename": str(plan.pressure),
    }
    return {"name": _DRAIN_PRESSURE, "typed_config": config}


def _close_idle_connections() -> Json:
    """Close connections without a call, with a GOAWAY, while draining.

    Envoy's own draining notifies only callers that make another call.
    """
    scaled = [{"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": seconds(_DRAINED_IDLE_TIMEOUT)}]
    config = {"@type": f"{TYPES}config.overload.v3.ScaleTimersOverloadActionConfig", "timer_scale_factors": scaled}
    trigger = {"name": _DRAIN_PRESSURE, "threshold": {"value": _PRESSURE_THRESHOLD}}
    return {"name": "envoy.overload_actions.reduce_timeouts", "triggers": [trigger], "typed_config": config}


def _runtime() -> Json:
    return {
        "overload.premature_reset_total_stream_count": _MAX_RESETS,
        "overload.premature_reset_min_stream_lifetime_seconds": _EARLY_RESET_SECONDS,
        "http.max_requests_per_io_cycle": _MAX_CALLS_PER_CYCLE,
    }
