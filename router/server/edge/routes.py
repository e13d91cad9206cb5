"""Routes: which calls are retried, how long each may take, and what is refused before it reaches a worker."""

from router.server.edge.plan import EdgePlan, Json, seconds

LOOKUPS, EXCLUSIVE = "lookups", "exclusive"
"""Clusters: one shares connections to the workers, in the other every call has a connection of its own."""

_READS = "/router.v1.InboundRouter/"
_HEDGE_AFTER = 0.25
"""Seconds after which a Lookup is sent to a second worker too: a hit takes well under a millisecond, so either the
first worker hangs or the database is slow. The first answer counts."""
_RETRIES = 4
_DRAWS = 50
"""Times that a worker is drawn for a retry until it is another one. A worker that died has the fewest calls, and wins
three of four draws between two: after so many it has won all of them once in two million times."""
_RETRY_BACKOFF, _MAX_RETRY_BACKOFF = 0.005, 0.02
_MANAGER_TIMEOUT = 600.0
"""Seconds of a call to the number manager without a byte either way: a thousand numbers over a slow CouchDB."""
_REFLECTION_TIMEOUT = 60.0


def virtual_host(plan: EdgePlan) -> Json:
    """Return the routes of all callers, first match first."""
    routes = [_refuse_compressed(), _stream(), _hedged_lookup(plan), _reads(plan), _watch(), _reflection(), _others()]
    return {"name": "router", "domains": ["*"], "routes": routes}


def _refuse_compressed() -> Json:
    """Answer UNIMPLEMENTED, as gRPC prescribes: the native front inflates without a bound."""
    encoding = {"name": "grpc-encoding"}
    identity = {**encoding, "string_match": {"exact": "identity"}, "invert_match": True}
    return {
        "match": {"prefix": "/", "headers": [{**encoding, "present_match": True}, identity]},
        "direct_response": {
            "status": 404,  # which Envoy translates into UNIMPLEMENTED
            "body": {"inline_string": "compressed messages are not accepted here: use grpc-encoding identity"},
        },
        "response_headers_to_add": [{"header": {"key": "grpc-accept-encoding", "value": "identity"}}],
    }


def _stream() -> Json:
    """LookupStream stays open as long as both sides like; keepalive finds callers that vanished."""
    return _route({"path": f"{_READS}LookupStream"}, _unlimited(EXCLUSIVE))


def _watch() -> Json:
    return _route({"path": "/grpc.health.v1.Health/Watch"}, _unlimited(EXCLUSIVE))


def _reflection() -> Json:
    action = {**_unlimited(EXCLUSIVE), "idle_timeout": seconds(_REFLECTION_TIMEOUT)}
    return _route({"prefix": "/grpc.reflection."}, action)


def _hedged_lookup(plan: EdgePlan) -> Json:
    action = _read_action(plan)
    action["retry_policy"]["per_try_timeout"] = seconds(_HEDGE_AFTER)
    action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return _route({"path": f"{_READS}Lookup"}, action)


def _reads(plan: EdgePlan) -> Json:
    """LookupBatch and Explain: asking again changes nothing, but costs too much to be hedged. Health checks too."""
    methods = "/router.v1.InboundRouter/.*|/grpc.health.v1.Health/Check"
    return _route({"safe_regex": {"regex": methods}}, _read_action(plan))


def _others() -> Json:
    """The number manager, above all: a change is never sent twice."""
    return _route({"prefix": "/"}, {**_unlimited(EXCLUSIVE), "idle_timeout": seconds(_MANAGER_TIMEOUT)})


def _route(match: Json, action: Json) -> Json:
    return {"match": {**match, "grpc": {}}, "route": action}


def _unlimited(cluster: str) -> Json:
    return {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"}


def _read_action(plan: EdgePlan) -> Json:
    return {"cluster": LOOKUPS, "timeout": seconds(plan.call_timeout), "retry_policy": _retry_policy()}


def _retry_policy() -> Json:
    """Ask another worker when one refuses the connection, ends it, or is reset before it answers."""
    previous = {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
    return {
        "retry_on": "reset,connect-failure,refused-stream",
        "num_retries": _RETRIES,
        "retry_back_off": {"base_interval": seconds(_RETRY_BACKOFF), "max_interval": seconds(_MAX_RETRY_BACKOFF)},
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": previous}],
        "host_selection_retry_max_attempts": _DRAWS,
    }
