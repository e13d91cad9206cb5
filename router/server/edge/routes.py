"""Envoy's routes: retries, timeouts, and refusals before a call reaches a worker."""

from router.server.edge.plan import EdgePlan, Json, seconds

LOOKUPS, EXCLUSIVE, HTTP = "lookups", "exclusive", "http"
"""Clusters: calls share connections to the workers in the first one; each has its own connection in the second. The
third one is the workers' HTTP."""

_READS = "/router.v1.InboundRouter/"
_HEDGE_AFTER = 0.25
"""Seconds after which a Lookup is also sent to a second worker: a hit takes well under a millisecond, so either the
first worker hangs or the database is slow. The first response counts."""
_RETRIES = 4
_MAX_SELECTION_ATTEMPTS = 50
"""Attempts to select another worker for a retry. A dead worker has the fewest calls, and wins three of four selections
between two workers; the probability that it wins all of these attempts is one in two million."""
_RETRY_BACKOFF, _MAX_RETRY_BACKOFF = 0.005, 0.02
_MANAGER_TIMEOUT = 600.0
"""Seconds without a byte in a call to the number manager: a thousand numbers on a slow CouchDB take as long."""
_REFLECTION_TIMEOUT = 60.0


def virtual_host(plan: EdgePlan) -> Json:
    """Return the routes; the first match counts."""
    grpc = [_refuse_compressed(), _stream(), _hedged_lookup(plan), _reads(plan), _watch(), _reflection(), _others()]
    return {"name": "router", "domains": ["*"], "routes": [*grpc, _http_numbers(), *_http_reads(plan)]}


def _http_numbers() -> Json:
    """The number manager over HTTP: a change is never sent twice."""
    action = {**_unlimited(HTTP), "idle_timeout": seconds(_MANAGER_TIMEOUT)}
    return {"match": {"path_separated_prefix": "/v1/numbers"}, "route": action}


def _http_reads(plan: EdgePlan) -> list[Json]:
    """Lookups and explanations over HTTP; every other path gets the workers' own error."""
    return [{"match": {"prefix": "/"}, "route": _read_action(plan, HTTP)}]


def _refuse_compressed() -> Json:
    """Respond UNIMPLEMENTED, as gRPC prescribes: the native call source decompresses without a limit."""
    encoding = {"name": "grpc-encoding"}
    identity = {**encoding, "string_match": {"exact": "identity"}, "invert_match": True}
    return {
        "match": {"prefix": "/", "headers": [{**encoding, "present_match": True}, identity]},
        "direct_response": {
            "status": 404,  # Envoy translates it to UNIMPLEMENTED
            "body": {"inline_string": "compressed messages are not accepted here: use grpc-encoding identity"},
        },
        "response_headers_to_add": [{"header": {"key": "grpc-accept-encoding", "value": "identity"}}],
    }


def _stream() -> Json:
    """Route LookupStream without a timeout; keepalive detects vanished callers."""
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
    """Route LookupBatch, Explain and health checks: retries are safe, but hedging would cost too much."""
    methods = "/router.v1.InboundRouter/.*|/grpc.health.v1.Health/Check"
    return _route({"safe_regex": {"regex": methods}}, _read_action(plan))


def _others() -> Json:
    """Route the number manager and all else without retries: a change is never sent twice."""
    return _route({"prefix": "/"}, {**_unlimited(EXCLUSIVE), "idle_timeout": seconds(_MANAGER_TIMEOUT)})


def _route(match: Json, action: Json) -> Json:
    return {"match": {**match, "grpc": {}}, "route": action}


def _unlimited(cluster: str) -> Json:
    return {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"}


def _read_action(plan: EdgePlan, cluster: str = LOOKUPS) -> Json:
    return {"cluster": cluster, "timeout": seconds(plan.call_timeout), "retry_policy": _retry_policy()}


def _retry_policy() -> Json:
    """Retry at another worker when one refuses or closes the connection, or resets the call before a response."""
    previous = {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
    return {
        "retry_on": "reset,connect-failure,refused-stream",
        "num_retries": _RETRIES,
        "retry_back_off": {"base_interval": seconds(_RETRY_BACKOFF), "max_interval": seconds(_MAX_RETRY_BACKOFF)},
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": previous}],
        "host_selection_retry_max_attempts": _MAX_SELECTION_ATTEMPTS,
    }
