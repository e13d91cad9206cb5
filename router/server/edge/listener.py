"""Envoy's listener: TLS, HTTP/2, and the limits of one caller and of all callers together."""

from router.server.edge.local_replies import local_replies
from router.server.edge.plan import TYPES, EdgePlan, Json, file_source, seconds
from router.server.edge.routes import virtual_host

CERTIFICATE, CLIENT_CA = "certificate", "client_ca"
"""Names of the secrets in files that Envoy reads."""
HTTP_PREFIX = "calls"
"""Envoy's statistics of connections and calls begin with http.calls."""

_BUFFER = 64 << 10
_MAX_ACCEPTS_PER_EVENT = 4
"""New connections that a thread accepts before it serves open ones: a flood must not starve those."""
_STREAM_WINDOW, _CONNECTION_WINDOW = 64 << 10, 1 << 20
_MAX_HEADERS_KB = 16
_HANDSHAKE_TIMEOUT = 10.0
_HEADERS_TIMEOUT = 5.0
_FLUSH_TIMEOUT = 10.0
"""Seconds that a caller may leave the last bytes of a response unread."""
_PING_INTERVAL, _PING_TIMEOUT = 60.0, 20.0
"""Seconds; the reason for the values is in router/server/calls/call_source.py."""
DRAIN_TIMEOUT = 1.0
"""Seconds between the two GOAWAYs, in which streams are still accepted: more than any round trip."""
_CLOSE_DELAY = 0.25
"""Seconds for the last bytes of a connection that is closed for an error of its caller."""
_RATE_INTERVAL = 0.1
_MAX_HOPS = (1 << 32) - 1
"""Proxies whose addresses in x-forwarded-for are skipped: more than a header has bytes."""
_MIN_FILL = 1


def listener(plan: EdgePlan) -> Json:
    """Return the only listener."""
    chain: Json = {"filters": [_connection_manager(plan)]}
    if plan.tls:
        chain["transport_socket"] = _tls(plan)
        chain["transport_socket_connect_timeout"] = seconds(_HANDSHAKE_TIMEOUT)
    return {
        "name": HTTP_PREFIX,
        "stat_prefix": HTTP_PREFIX,
        "address": {"socket_address": _address(plan)},
        "per_connection_buffer_limit_bytes": _BUFFER,
        "max_connections_to_accept_per_socket_event": _MAX_ACCEPTS_PER_EVENT,
        # Switches have few connections, and keep them: by chance one thread would serve most of them.
        "connection_balance_config": {"exact_balance": {}},
        "listener_filters": _rate_limit(plan),
        "filter_chains": [chain],
    }


def _address(plan: EdgePlan) -> Json:
    """Return the address; as is usual, :: accepts IPv4 too."""
    return {"address": plan.host, "port_value": plan.port, "ipv4_compat": plan.host == "::"}


def _rate_limit(plan: EdgePlan) -> list[Json]:
    """Close new connections beyond the rate before anything is read from them."""
    if not plan.max_connection_rate:
        return []
    fill = max(_MIN_FILL, round(plan.max_connection_rate * _RATE_INTERVAL))
    bucket = {
        "max_tokens": plan.max_connection_rate,
        "tokens_per_fill": fill,
        "fill_interval": seconds(fill / plan.max_connection_rate),
    }
    config = {
        "@type": f"{TYPES}extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "connections",
        "token_bucket": bucket,
    }
    return [{"name": "envoy.filters.listener.local_ratelimit", "typed_config": config}]


def _tls(plan: EdgePlan) -> Json:
    common: Json = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE, "sds_config": file_source(plan.certificate)}],
    }
    if plan.client_certificates:
        authorities = {"name": CLIENT_CA, "sds_config": file_source(plan.client_ca)}
        common["validation_context_sds_secret_config"] = authorities
    config = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": common,
        "require_client_certificate": plan.client_certificates,
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def _connection_manager(plan: EdgePlan) -> Json:
    config = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": HTTP_PREFIX,
        "codec_type": "AUTO",
        "route_config": {"name": "calls", "virtual_hosts": [virtual_host(plan)]},
        "http_filters": [_router()],
        "http2_protocol_options": _http2(plan),
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "did-router"},
        "common_http_protocol_options": {"idle_timeout": seconds(plan.idle_timeout)},
        "stream_idle_timeout": "0s",  # each route has its own: a second timer would cost every Lookup
        "stream_flush_timeout": seconds(_FLUSH_TIMEOUT),
        "request_headers_timeout": seconds(_HEADERS_TIMEOUT),
        "max_request_headers_kb": _MAX_HEADERS_KB,
        "drain_timeout": seconds(DRAIN_TIMEOUT),
        "delayed_close_timeout": seconds(_CLOSE_DELAY),
        "local_reply_config": local_replies(),
        **_plain_headers(),
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def _plain_headers() -> Json:
    """Return options that add nothing to calls, and ignore callers' headers for Envoy.

    No caller is internal, since x-forwarded-for can't hold as many addresses as proxies are trusted. So Envoy removes
    headers such as x-envoy-retry-on, with which a caller could have a change of a number sent twice. Telling workers
    the caller's address, which they do not use, would take a twentieth of Envoy's CPU time.
    """
    return {
        "use_remote_address": False,
        "xff_num_trusted_hops": _MAX_HOPS,
        "skip_xff_append": True,
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
    }


def _http2(plan: EdgePlan) -> Json:
    return {
        "max_concurrent_streams": plan.max_concurrent_streams,
        "initial_stream_window_size": _STREAM_WINDOW,
        "initial_connection_window_size": _CONNECTION_WINDOW,
        "connection_keepalive": {"interval": seconds(_PING_INTERVAL), "timeout": seconds(_PING_TIMEOUT)},
    }


def _router() -> Json:
    """Return the filter that forwards calls; its dynamic statistics are the times by route."""
    config = {
        "@type": f"{TYPES}extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
    }
    return {"name": "envoy.filters.http.router", "typed_config": config}
