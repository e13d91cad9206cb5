"""The statistics that Envoy keeps, and their labels on /metrics."""

_CONNECTIONS = r"http\.calls\.downstream_cx_(total|active|idle_timeout|drain_close|protocol_error|[rt]x_bytes_total)"
_CALLS = (
    r"http\.calls\.downstream_rq_(total|active|rx_reset|tx_reset|too_large|timeout|idle_timeout|header_timeout"
    r"|max_duration_reached|overload_close|too_many_premature_resets|completed|[1-5]xx)"
)
_FRAMES = (
    r"http2\.(header_overflow|headers_cb_no_stream|inbound_.*_flood|outbound_.*flood|keepalive_timeout|rx_messaging_error"
    r"|too_many_header_frames|rx_reset|tx_reset)"
)
_LISTENER = (
    r"listener\.calls\.(downstream_cx_(total|active|overflow|overload_reject|transport_socket_connect_timeout)"
    r"|downstream_global_cx_overflow|downstream_listener_filter_.*|no_filter_chain_match|ssl\.(handshake|connection_error|session_reused"
    r"|fail_verify_.*|no_certificate|versions\..*)|server_ssl_socket_factory\..*|worker_\d+\.downstream_cx_active)"
)
_RATE = r"listener_local_ratelimit\.connections\.rate_limited"
_METHODS = r"vhost\.router\.route\..*\.upstream_rq_(time|total|[1-5]xx|retry|retry_success)"
_WORKERS = (
    r"cluster\.(lookups|exclusive)\.(upstream_rq_(total|active|timeout|per_try_timeout|pending_overflow|retry"
    r"|retry_success|retry_overflow|retry_limit_exceeded|rx_reset|tx_reset)"
    r"|upstream_cx_(total|active|connect_fail|destroy_remote_with_active_rq|overflow)|membership_(total|healthy|change)|upstream_cx_none_healthy)"
)
_SECRETS = r"(listener\..*|.*\.)?sds\.(certificate|client_ca)\.(update_success|update_rejected|key_rotation_failed)"
_SERVER = r"server\.(live|uptime|memory_allocated|memory_heap_size|concurrency|state|total_connections)"

KEPT_STATISTICS = "|".join(
    f"({each})" for each in (_CONNECTIONS, _CALLS, _FRAMES, _LISTENER, _RATE, _METHODS, _WORKERS, _SECRETS, _SERVER)
)
"""Pattern of the statistics that Envoy keeps; others cost memory and time."""

STATISTICS_TAGS = {
    "envoy.cluster_name": "",
    "envoy.http_conn_manager_prefix": "",
    "envoy.listener_address": "",
    "envoy.response_code_class": "",
    "envoy.ssl_version": "",
    "envoy.worker_id": "",
    "envoy.xds_resource_name": "",
    "envoy.virtual_host": "",
    "envoy.route": "",
}
"""Labels, with the pattern that extracts each from a statistic's name; empty for Envoy's own pattern."""
