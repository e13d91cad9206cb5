"""`python -m router.cli.metrics_page` prints docs/metrics.md, made from the table of metrics."""

import sys
from collections.abc import Iterator

from router.server.observation.definitions import SECTIONS, MetricDefinition, Section

_TOP = """# Metrics

<!-- Made by `python -m router.cli.metrics_page` from router.server.observation.definitions.py: change it there. -->

`/metrics` of the [admin address](operations.md#what-to-watch) serves these in Prometheus' text format.
Every sample has the label `worker` besides: `worker-0` and so on, `follower`, or `supervisor` for what the parent of
the workers counts itself.
Only the follower's status has none.
A worker that is replaced starts its counters at 0, as Prometheus expects of a process.

A label has one kind of value, so that the sum over a label means something.
Durations are in seconds, sizes in bytes.
The metrics of processes (`process_cpu_seconds_total`, `process_resident_memory_bytes` and others) are those of the
Prometheus client library.
With the edge the page also has [Envoy's own](edge.md#what-to-watch).
"""


def page() -> str:
    """Return the page."""
    return "\n".join((_TOP, *(line for section in SECTIONS for line in _section(section))))


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    if section.text:
        yield f"{_sentences(section.text)}\n"
    yield "| metric | type | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for metric in section.metrics:
        yield f"| `{metric.name}` | {metric.kind} | {_labels(metric)} | {_meaning(metric)} |"
    yield ""


def _sentences(text: str) -> str:
    return text.replace(". ", ".\n")


def _labels(metric: MetricDefinition) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels) or "-"


def _meaning(metric: MetricDefinition) -> str:
    if not metric.bounds:
        return metric.meaning
    return f"{metric.meaning}; buckets: {', '.join(f'{bound:g}' for bound in metric.bounds)}"


if __name__ == "__main__":
    sys.stdout.write(page())
