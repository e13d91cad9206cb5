"""Everything that is counted, for Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from router.runtime.counters import Counters
from router.server.admin.readiness import Readiness


class ReadsInFlight(Protocol):
    """Whatever reads the number databases for lookups."""

    @property
    def in_flight(self) -> int:
        """Numbers being read or waiting to be."""


class RouterMetrics(Collector):
    """Reads the counts where they are kept, when asked.

    Args:
        operations: the number manager's, "operation outcome" each.
    """

    def __init__(
        self, tallies: Mapping[str, Counters], operations: Counters, readiness: Readiness, fallback: ReadsInFlight
    ) -> None:
        self._tallies = tallies
        self._operations = operations
        self._readiness = readiness
        self._fallback = fallback

    def collect(self) -> Iterator[Metric]:
        """Everything, now."""
        for name, tally in self._tallies.items():
            family = CounterMetricFamily(f"did_router_{name}", f"{name} by what happened", labels=["what"])
            for what, count in sorted(tally.all().items()):
                family.add_metric([what], count)
            yield family
        yield self._number_operations()
        state = self._readiness.state
        yield _gauge("serving", "calls get answers", float(state.serving))
        yield _gauge("redis_up", "Redis answers", float(state.redis))
        yield _gauge("database_up", "CouchDB answers", float(state.database))
        yield _gauge("stale", "answers from Redis are marked stale", float(state.stale))
        yield _gauge("reads_in_the_air", "numbers waiting for their database", float(self._fallback.in_flight))
        told = state.follower
        if told is None:
            return
        yield _gauge("follower_age_seconds", "since the follower told of itself", told.age)
        yield _gauge("follower_lag_seconds", "that the oldest noticed change waits", told.lag)
        yield _gauge("follower_databases", "followed", told.databases)
        yield _gauge("follower_databases_complete", "wholly in the cache", told.complete)
        yield _gauge("follower_databases_behind", "with changes noticed and not applied", told.behind)
        lags = GaugeMetricFamily(
            "did_router_follower_database_lag_seconds", "by database, the worst that are behind", labels=["database"]
        )
        for name, lag in told.lags.items():
            lags.add_metric([name], lag)
        yield lags
        yield _gauge("follower_feeds", "continuous feeds open", told.feeds)
        yield _gauge("follower_applied", "changes applied in this term", told.applied)
        yield _gauge("follower_copies_pending", "changes whose account copies wait", told.copies_pending)

    def _number_operations(self) -> Metric:
        family = CounterMetricFamily(
            "did_router_number_operations",
            "numbers that the number manager was asked to do something to",
            labels=["operation", "outcome"],
        )
        for name, count in sorted(self._operations.all().items()):
            family.add_metric(name.split(" ", 1), count)
        return family


def registry_of(collector: RouterMetrics) -> CollectorRegistry:
    """A registry with our metrics and the process's."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """The text that Prometheus scrapes."""
    return generate_latest(registry)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"did_router_{name}", words, value=value)
