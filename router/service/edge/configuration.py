"""Envoy's configuration as a whole, made from the settings. Nothing here does I/O."""

from router.service.edge.clusters import clusters
from router.service.edge.listener import listener
from router.service.edge.plan import TYPES, EdgePlan, Json
from router.service.edge.statistics import KEPT, TAGS

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
            "stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": KEPT}}]}},
            "stats_tags": [{"tag_name": name, **({"regex": regex} if regex else {})} for name, regex in TAGS.items()],
            "use_all_default_tags": False,
        },
    }


def _overload_manager(plan: EdgePlan) -> Json:
    config = {
        "@type": f"{TYPES}extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": plan.max_connections,
    }
    monitor = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}
    return {"resource_monitors": [monitor]}


def _runtime() -> Json:
    return {
        "overload.premature_reset_total_stream_count": _MAX_RESETS,
        "overload.premature_reset_min_stream_lifetime_seconds": _RESET_IS_EARLY,
        "http.max_requests_per_io_cycle": _CALLS_AT_ONCE,
    }
