"""Every metric of the service: name, type, labels and meaning; docs/metrics.md is generated from this table."""

from dataclasses import dataclass
from typing import Literal

from router.follower.follower import VISIBILITY_BOUNDS
from router.runtime.histograms import DURATION_BOUNDS

Kind = Literal["counter", "gauge", "histogram"]

SIZE_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Calls in a batch."""


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric.

    Attributes:
        name: as it is scraped, without the suffixes of a histogram's series.
        bounds: upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def help(self) -> str:
        """Its meaning without the marks of the page."""
        return self.meaning.replace("`", "")


@dataclass(frozen=True, slots=True)
class Section:
    """Metrics that belong together."""

    title: str
    text: str
    metrics: tuple[MetricDefinition, ...]


def _counter(name: str, meaning: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(name, "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(name, "gauge", meaning, labels)


def _histogram(name: str, meaning: str, *labels: str, bounds: tuple[float, ...] = DURATION_BOUNDS) -> MetricDefinition:
    return MetricDefinition(name, "histogram", meaning, labels, bounds)


CALL_STARTED = _counter("grpc_server_call_started_total", "gRPC calls that started", "grpc_method")
CALL_DURATION = _histogram(
    "grpc_server_call_duration_seconds",
    "gRPC calls that ended, from their headers to their status: every method but health checks and reflection; "
    "`grpc_status` is the name of the status that was sent",
    "grpc_method",
    "grpc_status",
)
HTTP_DURATION = _histogram(
    "http_server_request_duration_seconds",
    "HTTP requests; `http_route` is a path of the API with its parameters in braces, empty for a path that does not "
    "exist",
    "http_request_method",
    "http_route",
    "http_response_status_code",
)
SIP_DURATION = _histogram(
    "did_router_sip_request_duration_seconds", "SIP requests that were answered; `code` is the SIP status code", "code"
)
ENUM_DURATION = _histogram(
    "did_router_enum_query_duration_seconds", "DNS queries that were answered; `rcode` is the response code", "rcode"
)
DROPPED_MESSAGES = _counter(
    "did_router_messages_dropped_total",
    "messages over SIP and ENUM that got no response: `ignored` (unreadable, or never answered), `not_allowed` (source "
    "outside of the allowed networks), `rate_limited`, `not_sent` (the response would have been an amplification); and "
    "connections, of HTTP too, that were closed at once: `too_many_connections`",
    "protocol",
    "why",
)

LOOKUPS = _counter(
    "did_router_lookups_total",
    "lookups, each counted once, when its response is decided. `result` is `route`, `refusal` (the number takes no "
    "calls), `failed` (the service could not answer) or `invalid` (the request could not be read). `reason`: of a "
    "refusal or a failure, as in the API; `DEADLINE_EXCEEDED`, `INTERNAL` and `INVALID_ARGUMENT` besides; empty for a "
    "route. `source`: `near_cache`, `redis`, `number_database`, `port_request`; `none` where no store was asked",
    "protocol",
    "result",
    "reason",
    "source",
)
MISSES = _counter("did_router_lookup_misses_total", "lookups for numbers that no cache held, or past the caches")
COALESCED = _counter(
    "did_router_lookup_coalesced_total", "misses that waited for a read that another lookup had begun (single flight)"
)
READS_IN_FLIGHT = _gauge(
    "did_router_reads_in_flight", "numbers that are being read from CouchDB for lookups, or wait for a read"
)
NUMBERS_READ = _counter("did_router_numbers_read_total", "numbers that were read from CouchDB for lookups")
CORRUPT_ENTRIES = _counter("did_router_corrupt_entries_total", "corrupt values in Redis that lookups met and removed")
NEGATIVE_LISTINGS = _counter(
    "did_router_negative_range_listings_total", "listings of document ids because of scans (negative ranges)"
)
UNKNOWN_ACCOUNTS = _counter(
    "did_router_unknown_accounts_total", "lookups whose account has no document, read past the caches"
)
CALLS_WAITING = _gauge(
    "did_router_calls_waiting", "lookups that were taken from a caller and have no response yet", "protocol"
)
BATCH_CALLS = _histogram(
    "did_router_batch_calls", "lookups that were answered together", "protocol", bounds=SIZE_BOUNDS
)
BATCH_DURATION = _histogram(
    "did_router_batch_duration_seconds",
    "time of the batcher's thread for one batch; reads of CouchDB are not part of it",
    "protocol",
)

STORE_DURATION = _histogram(
    "did_router_store_request_duration_seconds",
    "requests to Redis and CouchDB. `store`: `redis`, `couchdb`; `operation`: for Redis `read` (one MGET a batch), "
    "`epoch`, `fill`, `apply`; for CouchDB `document`, `documents`, `list`, `changes`, `write`, `info`, `other`; "
    "`outcome`: `ok`, `failed` (no response, or an error that is no answer)",
    "store",
    "operation",
    "outcome",
)
STORE_UP = _gauge("did_router_store_up", "1 while the store (`redis`, `couchdb`) responds", "store")
BREAKER_OPEN = _gauge("did_router_circuit_breaker_open", "1 while the store's circuit breaker is open", "store")

NEAR_ENTRIES = _gauge("did_router_near_cache_entries", "numbers in the near cache")
NEAR_BYTES = _gauge("did_router_near_cache_bytes", "estimated memory of the near cache, in bytes")
NEAR_EVICTIONS = _counter("did_router_near_cache_evictions_total", "entries that made room for others")
NEAR_INVALIDATIONS = _counter("did_router_near_cache_invalidations_total", "changed keys that Redis reported")
NEAR_TRUSTED = _gauge("did_router_near_cache_trusted", "1 while the connection that brings invalidations stands")

TOKEN_CALLS = _counter(
    "did_router_token_calls_total",
    "calls and requests whose token opened what they asked for; `token` is its name in the token file, `protocol` is "
    "`admin` for the admin pages",
    "protocol",
    "token",
)
TOKENS_REFUSED = _counter(
    "did_router_tokens_refused_total",
    "calls and requests that were refused for their token: `missing`, `unknown`, `scope` (the token does not open "
    "that); `protocol` is `admin` for the admin pages",
    "protocol",
    "why",
)
NUMBER_OPERATIONS = _counter(
    "did_router_number_operations_total",
    "numbers in requests to the number manager. `outcome`: `done`, `unchanged`, `dry_run`, `error`; `error`: its name, "
    "else empty; the operation `maintenance` is what was due by time",
    "operation",
    "outcome",
    "error",
)

FOLLOWER_AGE = _gauge("did_router_follower_age_seconds", "age of the leading follower's status; written each second")
FOLLOWER_LAG = _gauge(
    "did_router_follower_lag_seconds",
    "age of the oldest change that is noticed and not applied, or time since CouchDB became unreachable",
)
FOLLOWER_DATABASE_LAG = _gauge(
    "did_router_follower_database_lag_seconds", "the same, for the hundred databases furthest behind", "database"
)
FOLLOWER_DATABASES = _gauge("did_router_follower_databases", "databases that the follower follows")
FOLLOWER_COMPLETE = _gauge("did_router_follower_databases_complete", "databases that are completely in the cache")
FOLLOWER_BEHIND = _gauge("did_router_follower_databases_behind", "databases with changes that are not applied")
FOLLOWER_FEEDS = _gauge("did_router_follower_feeds", "open continuous feeds")
FOLLOWER_COPIES = _gauge("did_router_follower_copies_pending", "changes whose account copies are pending")
FOLLOWER_STATUS = (
    FOLLOWER_AGE,
    FOLLOWER_LAG,
    FOLLOWER_DATABASE_LAG,
    FOLLOWER_DATABASES,
    FOLLOWER_COMPLETE,
    FOLLOWER_BEHIND,
    FOLLOWER_FEEDS,
    FOLLOWER_COPIES,
)
"""From the leading follower's published status."""
FOLLOWER_LEADING = _gauge("did_router_follower_leading", "1 while this follower holds the lease")
CHANGES_APPLIED = _counter("did_router_follower_changes_applied_total", "changes that this follower wrote to Redis")
CHANGE_VISIBLE = _histogram(
    "did_router_change_visible_seconds",
    "changes in databases that were complete, from their being noticed to their being in Redis",
    bounds=VISIBILITY_BOUNDS,
)

SERVING = _gauge("did_router_serving", "1 while lookups can be answered")
STALE = _gauge("did_router_stale", "1 while answers from the caches are marked stale")
WORKER_UP = _gauge(
    "did_router_worker_up",
    "1 for a process that responded for this page in time, 0 for one that hangs or is not in service; absent while "
    "`serve` drains",
    "worker",
)
WORKER_RESTARTS = _counter("did_router_worker_restarts_total", "exits of a process that was started again", "worker")
BUILD_INFO = _gauge(
    "did_router_build_info", "1; the version, Python's version and the transport", "version", "python", "transport"
)
CONFIG_INFO = _gauge(
    "did_router_config_info", "1; `hash` is equal where all settings but addresses and secrets are", "hash"
)
CERTIFICATE = _gauge(
    "did_router_certificate_not_after_timestamp_seconds",
    "Unix time at which a certificate expires; `setting` names its file, and the earliest of the file counts",
    "setting",
)
CALL_LOG_DROPPED = _counter("did_router_call_log_dropped_total", "lines of the call log that found no room")
SPANS = _counter(
    "did_router_spans_total", "spans: `exported`, `dropped` (no room), `failed` (the collector)", "outcome"
)

SECTIONS = (
    Section(
        "Calls",
        "The service measures durations: for gRPC on the native transport from a call's headers to its trailers.",
        (CALL_STARTED, CALL_DURATION, HTTP_DURATION, SIP_DURATION, ENUM_DURATION, DROPPED_MESSAGES),
    ),
    Section(
        "Lookups",
        "`protocol` is the way in which a lookup came: `grpc`, `http`, `sip`, `enum`. A call of LookupBatch or "
        "LookupStream holds many lookups. Explain is none.",
        (
            LOOKUPS,
            MISSES,
            COALESCED,
            READS_IN_FLIGHT,
            NUMBERS_READ,
            CORRUPT_ENTRIES,
            NEGATIVE_LISTINGS,
            UNKNOWN_ACCOUNTS,
            CALLS_WAITING,
            BATCH_CALLS,
            BATCH_DURATION,
        ),
    ),
    Section("Stores", "", (STORE_DURATION, STORE_UP, BREAKER_OPEN)),
    Section("Near cache", "", (NEAR_ENTRIES, NEAR_BYTES, NEAR_EVICTIONS, NEAR_INVALIDATIONS, NEAR_TRUSTED)),
    Section(
        "Tokens and numbers",
        "A request to the number manager may hold many numbers: one duration, and an outcome for each. Its durations "
        "are those of the gRPC or HTTP method.",
        (TOKEN_CALLS, TOKENS_REFUSED, NUMBER_OPERATIONS),
    ),
    Section(
        "Follower",
        "The last three come from the follower's own process, where `serve` runs it or at `follower_admin_listen`. "
        "The others come from the status that the leading follower publishes in Redis. Each `serve` shows them once.",
        (*FOLLOWER_STATUS, FOLLOWER_LEADING, CHANGES_APPLIED, CHANGE_VISIBLE),
    ),
    Section(
        "Service",
        "",
        (
            SERVING,
            STALE,
            WORKER_UP,
            WORKER_RESTARTS,
            BUILD_INFO,
            CONFIG_INFO,
            CERTIFICATE,
            CALL_LOG_DROPPED,
            SPANS,
        ),
    ),
)
