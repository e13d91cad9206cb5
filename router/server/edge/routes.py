"""Envoy's routes: retries, timeouts, and refusals before a call reaches a worker."""

from router.server.edge.plan import EdgePlan, Json, seconds

LOOKUPS, EXCLUSIVE, HTTP = "lookups", "exclusive", "http"
"""Clusters: calls share connections to the workers in the first one; each has its own connection in the second. The
third one is the workers' HTTP."""

VIRTUAL_HOST = "router"
_READS, _MANAGER, _HEALTH = "/router.v1.InboundRouter/", "/router.v1.NumberManager/", "/grpc.health.v1.Health/"
_CHANGES_AND_QUERIES = (
    "Get",
    "Create",
    "Reserve",
    "Move",
    "Release",
    "Delete",
    "Update",
    "AssignToApp",
    "ListByAccount",
    "History",
)
"""Methods of the number manager."""
_HTTP_READS: dict[str, Json] = {
    "http_lookup": {"path_separated_prefix": "/v1/lookup"},
    "http_lookups": {"path": "/v1/lookups"},
    "http_explain": {"path_separated_prefix": "/v1/explain"},
    "http_dialplan": {"path": "/freeswitch/dialplan"},
}
"""Paths of lookups and explanations over HTTP, by the name of their route."""
_ENCODING = "grpc-encoding"
_HEDGE_AFTER = 0.25
"""Seconds after which a Lookup is also sent to a second worker: a hit takes well under a millisecond, so either the
first worker hangs or the database is slow. The first response counts."""
_IDLE_TIMEOUT = 10.0
"""Seconds without a byte in a call that may be sent again."""
_RETRIES = 4
_MAX_SELECTION_ATTEMPTS = 50
"""Attempts to select another worker for a retry. A dead worker has the fewest calls, and wins three of four selections
between two workers; the probability that it wins all of these attempts is one in two million."""
_RETRY_BACKOFF, _MAX_RETRY_BACKOFF = 0.005, 0.02
_MANAGER_TIMEOUT = 600.0
"""Seconds without a byte in a call to the number manager: a thousand numbers on a slow CouchDB take as long."""
_REFLECTION_TIMEOUT = 60.0


def virtual_host(plan: EdgePlan) -> Json:
    """Return the routes; the first match counts.

    Each method has a route, whose name is the method's: Envoy counts and times calls by route. The filter that counts
    by method, `grpc_stats`, parses every message for it, and costs a tenth of Envoy's CPU time.
    """
    routes = [
        _refuse_compressed(),
        _lookup(plan),
        _stream("LookupStream", f"{_READS}LookupStream"),
        *(_read(plan, name, f"{_READS}{name}") for name in ("LookupBatch", "Explain")),
        _read(plan, "Check", f"{_HEALTH}Check"),
        _stream("Watch", f"{_HEALTH}Watch"),
        *(_manager(name, {"path": f"{_MANAGER}{name}"}) for name in _CHANGES_AND_QUERIES),
        _reflection(),
        _manager("other", {"prefix": "/"}),
        *(_http_read(plan, name, match) for name, match in _HTTP_READS.items()),
        _http_other(),
    ]
    return {
        "name": VIRTUAL_HOST,
        "domains": ["*"],
        "routes": routes,
        # A worker without this header refuses each compressed message, whatever the first route lets pass.
        "request_headers_to_remove": [_ENCODING],
    }


def _http_read(plan: EdgePlan, name: str, match: Json) -> Json:
    """Route lookups or explanations over HTTP, which may be sent again."""
    return {"match": match, "route": _read_action(plan, HTTP), "stat_prefix": name}


def _http_other() -> Json:
    """Route all other HTTP without retries: a change is never sent twice, however its path is written.

    Envoy matches the path as it was sent, and workers decode it: `/v1/%6eumbers/create` is a change, too. A path that
    begins like a read's stays a read's when it is decoded.
    """
    action = {**_unlimited(HTTP), "idle_timeout": seconds(_MANAGER_TIMEOUT)}
    return {"match": {"prefix": "/"}, "route": action, "stat_prefix": "http_other"}


def _refuse_compressed() -> Json:
    """Respond UNIMPLEMENTED, as gRPC prescribes: the native call source decompresses without a limit.

    One value other than identity is enough. Envoy matches each value of a repeated header on its own, so that an
    inverted match for identity would accept gzip beside identity.
    """
    compressed = {"name": _ENCODING, "string_match": {"safe_regex": {"regex": _other_than("identity")}}}
    return {
        "match": {"prefix": "/", "headers": [compressed]},
        "direct_response": {
            "status": 404,  # Envoy translates it to UNIMPLEMENTED
            "body": {"inline_string": "compressed messages are not accepted here: use grpc-encoding identity"},
        },
        "response_headers_to_add": [{"header": {"key": "grpc-accept-encoding", "value": "identity"}}],
    }


def _other_than(word: str) -> str:
    """Return a regular expression of all texts but this one; RE2 has no negative lookahead.

    A text differs by its length, or by one character.
    """
    before = (f"{word[:index]}([^{character}].*)?" for index, character in enumerate(word))
    return "|".join((*before, f"{word}.+"))


def _lookup(plan: EdgePlan) -> Json:
    """Route Lookup, the only method whose cost at the edge matters.

    One timer runs from the call's start. The others would be set again for each part of a call and its response, and
    take a twentieth of Envoy's CPU time.
    """
    action = _read_action(plan)
    action |= {"timeout": "0s", "idle_timeout": "0s"}
    action["max_stream_duration"] = {"max_stream_duration": seconds(plan.call_timeout)}
    action["retry_policy"]["per_try_timeout"] = seconds(_HEDGE_AFTER)
    action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return _route("Lookup", {"path": f"{_READS}Lookup"}, action)


def _read(plan: EdgePlan, name: str, path: str) -> Json:
    """Route LookupBatch, Explain or a health check: retries are safe, but hedging would cost too much."""
    return _route(name, {"path": path}, _read_action(plan))


def _stream(name: str, path: str) -> Json:
    """Route a stream without a timeout; keepalive detects vanished callers."""
    return _route(name, {"path": path}, _unlimited(EXCLUSIVE))


def _reflection() -> Json:
    action = {**_unlimited(EXCLUSIVE), "idle_timeout": seconds(_REFLECTION_TIMEOUT)}
    return _route("reflection", {"prefix": "/grpc.reflection."}, action)


def _manager(name: str, match: Json) -> Json:
    """Route the number manager, or all that has no other route, without retries: a change is never sent twice."""
    return _route(name, match, {**_unlimited(EXCLUSIVE), "idle_timeout": seconds(_MANAGER_TIMEOUT)})


def _route(name: str, match: Json, action: Json) -> Json:
    return {"match": {**match, "grpc": {}}, "route": action, "stat_prefix": name}


def _unlimited(cluster: str) -> Json:
    return {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"}


def _read_action(plan: EdgePlan, cluster: str = LOOKUPS) -> Json:
    timeouts = {"timeout": seconds(plan.call_timeout), "idle_timeout": seconds(_IDLE_TIMEOUT)}
    return {"cluster": cluster, **timeouts, "retry_policy": _retry_policy()}


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
