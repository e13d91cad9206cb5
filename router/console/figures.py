"""Reads the figures of /metrics. The only module of the console that knows the metrics' names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_LOOKUPS = "did_router_lookups_total"
_LATENCY = "grpc_server_call_duration_seconds_bucket"
_LOOKUP_METHOD = "router.v1.InboundRouter/Lookup"
_UNKNOWN_ACCOUNTS = "did_router_unknown_accounts_total"
_IN_FLIGHT = "did_router_reads_in_flight"
_MEMORY = "process_resident_memory_bytes"
_MISSES = "did_router_lookup_misses_total"
_RESTARTS = "did_router_worker_restarts_total"
_CHANGES = "did_router_change_visible_seconds_bucket"
_SETTINGS = "did_router_config_info"
_CERTIFICATE = "did_router_certificate_not_after_timestamp_seconds"
_WANTED = (
    _LOOKUPS,
    _LATENCY,
    _UNKNOWN_ACCOUNTS,
    _IN_FLIGHT,
    _MEMORY,
    _MISSES,
    _RESTARTS,
    _CHANGES,
    _SETTINGS,
    _CERTIFICATE,
)
_SUMS = {
    _UNKNOWN_ACCOUNTS: "unknown_accounts",
    _IN_FLIGHT: "in_flight",
    _MISSES: "misses",
    _RESTARTS: "restarts",
}


@dataclass(slots=True)
class WorkerFigures:
    """Counts of one worker.

    Attributes:
        sources: routes since its start, by source.
        refusals: refused lookups since its start, by reason.
        latency: lookups since its start that took at most so many seconds, cumulative; empty where nothing is measured.
        failed: lookups that the service could not answer, since its start.
        misses: lookups that found nothing in a cache, since its start.
        changes: changes that were visible within so many seconds, cumulative; the leading follower's.
        unknown_accounts: answers for accounts without a document, since its start.
        restarts: of this worker, since its supervisor started.
        memory: bytes; None where it is not known.
        settings: hash of its settings; empty where it is not known.
        certificates: Unix time at which each expires, by setting.
    """

    sources: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    refusals: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    latency: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    failed: float = 0.0
    misses: float = 0.0
    changes: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    unknown_accounts: float = 0.0
    restarts: float = 0.0
    in_flight: float = 0.0
    memory: float | None = None
    settings: str = ""
    certificates: dict[str, float] = field(default_factory=dict)

    @property
    def lookups(self) -> float:
        """Lookups that were answered or refused, since its start."""
        return sum(self.sources.values()) + sum(self.refusals.values())


def read_figures(text: str) -> dict[str, WorkerFigures]:
    """Return each worker's figures from an instance's /metrics, by the worker's name."""
    workers: dict[str, WorkerFigures] = {}
    for sample in _samples(text):
        figures = workers.setdefault(sample.labels.get("worker", "worker-0"), WorkerFigures())
        _add(figures, sample)
    return workers


def _samples(text: str) -> Iterator[Sample]:
    # Most lines of a page are of no use here, and the parser takes its time for each.
    lines = [line for line in text.splitlines() if line.startswith(_WANTED)]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        yield from family.samples


def _add(figures: WorkerFigures, sample: Sample) -> None:
    name, labels, value = sample.name, sample.labels, sample.value
    if name == _LOOKUPS:
        _add_lookups(figures, labels, value)
    elif name == _LATENCY:
        if labels.get("grpc_method") == _LOOKUP_METHOD:
            figures.latency[float(labels["le"])] += value
    elif name == _CHANGES:
        figures.changes[float(labels["le"])] += value
    elif name == _SETTINGS:
        figures.settings = labels.get("hash", "")
    elif name == _CERTIFICATE:
        figures.certificates[labels.get("setting", "")] = value
    elif name == _MEMORY:
        figures.memory = value
    elif name in _SUMS:
        setattr(figures, _SUMS[name], getattr(figures, _SUMS[name]) + value)


def _add_lookups(figures: WorkerFigures, labels: Mapping[str, str], value: float) -> None:
    if labels.get("result") == "route":
        figures.sources[labels.get("source", "")] += value
    elif labels.get("reason"):
        figures.refusals[labels["reason"]] += value
        figures.failed += value if labels.get("result") == "failed" else 0.0


def names(counters: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the names of several counters, those with the largest sums first; none whose sum is 0."""
    total: dict[str, float] = defaultdict(float)
    for counter in counters:
        for name, count in counter.items():
            total[name] += count
    return sorted((name for name in total if total[name] > 0), key=lambda name: (-total[name], name))
