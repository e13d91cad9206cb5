"""Exports counters and states to Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from router.runtime.counters import Counters
from router.server.admin.readiness import Readiness


class ReadsInFlight(Protocol):
    """Counts the reads of number databases by lookups."""

    @property
    def in_flight(self) -> int:
        """Numbers that are being read or wait for a read."""


class RouterMetrics(Collector):
    """Collects the current counts at each scrape.

    Args:
        operations: the number manager's counters, each named "operation outcome".
    """

    def __init__(
        self, tallies: Mapping[str, Counters], operations: Counters, readiness: Readiness, fallback: ReadsInFlight
    ) -> None:
        self._tallies = tallies
        self._operations = operations
        self._readiness = readiness
        self._fallback = fallback

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        for name, tally in self._tallies.items():
            family = CounterMetricFamily(f"did_router_{name}", f"{name} by outcome", labels=["outcome"])
            for outcome, count in sorted(tally.all().items()):
                family.add_metric([outcome], count)
            yield family
        yield self._number_operations()
        state = self._readiness.state
        yield _gauge("serving", "1 while calls can be answered", float(state.serving))
        yield _gauge("redis_up", "1 while Redis responds", float(state.redis))
        yield _gauge("database_up", "1 while CouchDB responds", float(state.database))
        yield _gauge("stale", "1 while answers from the caches are marked stale", float(state.stale))
        yield _gauge(
            "reads_in_flight",
            "numbers that are being read from CouchDB or wait for a read",
            float(self._fallback.in_flight),
        )
        follower = state.follower
        if follower is None:
            return
        yield _gauge("follower_age_seconds", "age of the follower's last status", follower.age)
        yield _gauge("follower_lag_seconds", "age of the oldest change that is noticed and not applied", follower.lag)
        yield _gauge("follower_databases", "databases that the follower follows", follower.databases)
        yield _gauge("follower_databases_complete", "databases that are completely in the cache", follower.complete)
        yield _gauge(
            "follower_databases_behind", "databases with changes that are noticed and not applied", follower.behind
        )
        lags = GaugeMetricFamily(
            "did_router_follower_database_lag_seconds",
            "lag of the databases that are furthest behind",
            labels=["database"],
        )
        for name, lag in follower.lags.items():
            lags.add_metric([name], lag)
        yield lags
        yield _gauge("follower_feeds", "open continuous feeds", follower.feeds)
        yield _gauge("follower_applied", "changes applied since the follower became the leader", follower.applied)
        yield _gauge("follower_copies_pending", "changes whose account copies are pending", follower.copies_pending)

    def _number_operations(self) -> Metric:
        family = CounterMetricFamily(
            "did_router_number_operations",
            "numbers in requests to the number manager",
            labels=["operation", "outcome"],
        )
        for name, count in sorted(self._operations.all().items()):
            family.add_metric(name.split(" ", 1), count)
        return family


def build_registry(collector: RouterMetrics) -> CollectorRegistry:
    """Return a registry with the router's metrics and the process's."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the text that Prometheus scrapes."""
    return generate_latest(registry)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"did_router_{name}", documentation, value=value)
