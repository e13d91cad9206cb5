"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Needs the extra `did-router[otel]`."""

import importlib.util
import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from router.server.observation.tracing import FinishedTrace, Tracer
from router.settings import Settings, SettingsError

_TIMEOUT = 5.0
"""Seconds for one request to the collector."""


def is_installed() -> bool:
    """Return whether the extra is installed."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def open_tracer(settings: Settings) -> Tracer | None:
    """Return what traces lookups; None where the settings name no collector.

    Raises:
        SettingsError: the extra is not installed.
    """
    trace = settings.trace
    if not trace.endpoint:
        return None
    if not is_installed():
        raise SettingsError("setting 'trace_endpoint': OpenTelemetry is not installed; pip install 'did-router[otel]'")
    return Tracer(OtlpExporter(trace.endpoint), sample_every=trace.sample_every)


class OtlpExporter:
    """Makes spans with explicit times, and sends them."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415

        # Its own lines would tell of each failed export: the outcome is counted.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(endpoint, timeout=_TIMEOUT)
        ended: list[Any] = []

        class Collecting(SpanProcessor):  # type: ignore[misc, unused-ignore]
            def on_end(self, span: Any) -> None:
                ended.append(span)

        resource = Resource.create({"service.name": "did-router", "service.version": version("did-router")})
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(Collecting())
        self._ended = ended
        self._tracer: Any = provider.get_tracer("did-router", version("did-router"))

    def export(self, traces: Sequence[FinishedTrace]) -> bool:
        """Send spans; return whether the collector took them."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        for each in traces:
            self._make(each)
        spans, self._ended[:] = list(self._ended), []
        return bool(self._exporter.export(spans) is SpanExportResult.SUCCESS)

    def close(self) -> None:
        """Release the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _make(self, finished: FinishedTrace) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        span = self._tracer.start_span(
            finished.name,
            context=_parent(finished),
            kind=trace.SpanKind.SERVER,
            start_time=finished.began,
            attributes=finished.attributes,
        )
        within = trace.set_span_in_context(span)
        for step in finished.steps:
            child = self._tracer.start_span(step.name, context=within, start_time=step.began)
            child.end(step.ended)
        if finished.failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end(finished.ended)


def _parent(finished: FinishedTrace) -> Any:
    """Return OpenTelemetry's context of the caller's span; None for a trace that begins here."""
    from opentelemetry import trace  # noqa: PLC0415

    if finished.context is None:
        return None
    remote = trace.SpanContext(
        trace_id=int(finished.context.trace_id, 16),
        span_id=int(finished.context.parent_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))
