"""Exports a worker's counts and states to Prometheus."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from router.follower.follower import Follower
from router.lookup.account_status import AccountStatusReader
from router.lookup.engine import LookupEngine
from router.lookup.sources.origin import OriginSource
from router.manager.manager import NumberManager
from router.near_cache.cache import NearCache
from router.server.admin.follower_metrics import FollowerMetrics, status_metrics
from router.server.admin.readiness import Readiness
from router.server.admin.store_metrics import store_requests
from router.server.admin.token_metrics import token_metrics
from router.server.auth.authorizer import TokenCounts
from router.server.observation import definitions as names
from router.server.observation.call_records import CallLog
from router.server.observation.calls import CallStatistics
from router.server.observation.families import family, histogram, single
from router.server.observation.observation import Observation
from router.stores.clients import Stores
from router.trust.monitor import TrustMonitor
from router.trust.trust import UNAVAILABLE


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """The parts of a worker that count."""

    observation: Observation
    grpc_calls: Callable[[], CallStatistics]
    lookup: LookupEngine
    origin: OriginSource
    account_status: AccountStatusReader
    near: NearCache
    stores: Stores
    trust: TrustMonitor
    manager: NumberManager
    readiness: Readiness
    call_log: CallLog | None
    tokens: TokenCounts


class WorkerMetrics(Collector):
    """Collects the current counts at each scrape."""

    def __init__(self, parts: WorkerParts, transport_name: str, config_hash: str) -> None:
        self._parts = parts
        self._transport_name = transport_name
        self._config_hash = config_hash

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._calls()
        yield from self._lookups()
        yield from self._near_cache()
        yield from self._state()
        yield store_requests(self._parts.stores)
        yield from token_metrics(self._parts.tokens)
        yield family(names.NUMBER_OPERATIONS, self._parts.manager.counts.all())
        yield from status_metrics(self._parts.readiness.state.follower)
        yield from self._records()
        yield self._build_info()
        yield family(names.CONFIG_INFO, {(self._config_hash,): 1.0})

    def _calls(self) -> Iterator[Metric]:
        observed = self._parts.observation
        calls = self._parts.grpc_calls()
        yield family(names.CALL_STARTED, calls.started)
        yield histogram(names.CALL_DURATION, calls.durations)
        yield histogram(names.HTTP_DURATION, observed.http.all())
        yield histogram(names.SIP_DURATION, observed.sip.all())
        yield histogram(names.ENUM_DURATION, observed.enum.all())
        yield family(names.DROPPED_MESSAGES, observed.dropped.all())

    def _lookups(self) -> Iterator[Metric]:
        parts, observed = self._parts, self._parts.observation
        yield family(names.LOOKUPS, observed.lookups.all())
        yield single(names.MISSES, parts.lookup.counts["miss"])
        yield single(names.COALESCED, parts.origin.coalesced)
        yield single(names.READS_IN_FLIGHT, parts.origin.in_flight)
        yield single(names.NUMBERS_READ, parts.origin.counts["read"])
        yield single(names.CORRUPT_ENTRIES, parts.origin.counts["spoilt"])
        yield single(names.NEGATIVE_LISTINGS, parts.origin.counts["listed"])
        yield single(names.UNKNOWN_ACCOUNTS, parts.account_status.counts["unknown_account"])
        yield family(names.CALLS_WAITING, {(protocol,): float(count()) for protocol, count in observed.waiting.items()})
        yield histogram(names.BATCH_CALLS, observed.batch_calls.all())
        yield histogram(names.BATCH_DURATION, observed.batch_durations.all())

    def _near_cache(self) -> Iterator[Metric]:
        near, trust = self._parts.near, self._parts.trust.current
        yield single(names.NEAR_ENTRIES, len(near))
        yield single(names.NEAR_BYTES, near.size)
        yield single(names.NEAR_EVICTIONS, near.evictions)
        yield single(names.NEAR_INVALIDATIONS, near.invalidations)
        yield single(names.NEAR_TRUSTED, trust.receives_invalidations)

    def _state(self) -> Iterator[Metric]:
        parts, state = self._parts, self._parts.readiness.state
        yield single(names.SERVING, state.serving)
        yield single(names.STALE, state.stale)
        yield family(names.STORE_UP, {("redis",): float(state.redis), ("couchdb",): float(state.database)})
        open_breakers = {"redis": parts.trust.current.redis is UNAVAILABLE, "couchdb": parts.origin.is_breaker_open}
        yield family(names.BREAKER_OPEN, {(store,): float(is_open) for store, is_open in open_breakers.items()})

    def _records(self) -> Iterator[Metric]:
        call_log, tracer = self._parts.call_log, self._parts.observation.tracer
        yield single(names.CALL_LOG_DROPPED, 0 if call_log is None else call_log.dropped)
        if tracer is not None:
            yield family(names.SPANS, tracer.counts.all())

    def _build_info(self) -> Metric:
        labels = (version("did-router"), platform.python_version(), self._transport_name)
        return family(names.BUILD_INFO, {labels: 1.0})


def build_registry(collector: Collector, follower: Follower | None = None) -> CollectorRegistry:
    """Return a registry with a collector's metrics, those of a follower beside it, and the process's."""
    registry = CollectorRegistry()
    registry.register(collector)
    if follower is not None:
        registry.register(FollowerMetrics(follower))
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the text that Prometheus scrapes."""
    return generate_latest(registry)
