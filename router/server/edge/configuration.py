"""Envoy's configuration as a whole, made from the settings. Nothing here does I/O."""

from router.server.edge.clusters import clusters
from router.server.edge.listener import listener
from router.server.edge.plan import TYPES, EdgePlan, Json, seconds
from router.server.edge.statistics import KEPT_STATISTICS, STATISTICS_TAGS

_PRESSURE = "envoy.resource_monitors.injected_resource"
_FULL = 0.9
_REFRESH_INTERVAL = 0.2
"""Seconds between two readings of that pressure."""
_LEAVES_AFTER = 0.05
_MAX_RESETS = 200
"""Calls that a connection may take back early, before it is closed when most of its calls were taken back."""
_RESET_IS_EARLY = 1
"""Seconds."""
_CALLS_AT_ONCE = 20
"""Calls of one connection that are begun before others have their turn."""


def bootstrap(plan: EdgePlan) -> Json:
    """Return the configuration that `envoy --config-path` reads; its JSON is YAML too."""
    return {
        "node": {"id": "did-router", "cluster": "did-router"},
        "admin": {"address": {"pipe": {"path": str(plan.admin_socket), "mode": 0o600}}},
        "static_resources": {"listeners": [listener(plan)], "clusters": clusters(plan)},
        "overload_manager": _overload_manager(plan),
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
        "actions": [_idle_connections_leave()],
    }


def _draining(plan: EdgePlan) -> Json:
    """A pressure that stands in a file: 1 while all callers are to leave."""
    config = {
        "@type": f"{TYPES}extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
        "filename": str(plan.pressure),
    }
    return {"name": _PRESSURE, "typed_config": config}


def _idle_connections_leave() -> Json:
    """Under that pressure no connection stays without a call: its caller gets a GOAWAY at once.

    Envoy's own draining tells those alone who make another call.
    """
    scaled = [{"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": seconds(_LEAVES_AFTER)}]
    config = {"@type": f"{TYPES}config.overload.v3.ScaleTimersOverloadActionConfig", "timer_scale_factors": scaled}
    trigger = {"name": _PRESSURE, "threshold": {"value": _FULL}}
    return {"name": "envoy.overload_actions.reduce_timeouts", "triggers": [trigger], "typed_config": config}


def _runtime() -> Json:
    return {
        "overload.premature_reset_total_stream_count": _MAX_RESETS,
        "overload.premature_reset_min_stream_lifetime_seconds": _RESET_IS_EARLY,
        "http.max_requests_per_io_cycle": _CALLS_AT_ONCE,
    }
