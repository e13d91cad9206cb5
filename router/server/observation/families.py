"""Converts counts to the metric families of prometheus_client, by the definitions of the metrics."""

from collections.abc import Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from router.runtime.histograms import HistogramSnapshot, Labels
from router.server.observation.definitions import MetricDefinition


def family(definition: MetricDefinition, values: Mapping[Labels, float]) -> Metric:
    """Return a counter or a gauge with a sample for each combination of labels."""
    kind = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    made = kind(definition.name, definition.help, labels=definition.labels)
    for labels, value in sorted(values.items()):
        made.add_metric(labels, value)
    return made


def single(definition: MetricDefinition, value: float) -> Metric:
    """Return a counter or a gauge without labels."""
    return family(definition, {(): float(value)})


def histogram(definition: MetricDefinition, values: Mapping[Labels, HistogramSnapshot]) -> Metric:
    """Return a histogram for each combination of labels."""
    made = HistogramMetricFamily(definition.name, definition.help, labels=definition.labels)
    bounds = [*(repr(float(bound)) for bound in definition.bounds), "+Inf"]
    for labels, snapshot in sorted(values.items()):
        made.add_metric(labels, list(zip(bounds, accumulate(snapshot.counts), strict=True)), snapshot.sum)
    return made
