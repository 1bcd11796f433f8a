"""OpenTelemetry traces: a span for each request and live session, with a child span for each call to DashScope.

Imported only if traces are enabled. Spans contain the same data as the logs: no transcripts, prompts, keys or audio
addresses. Of the client's headers only `traceparent` (W3C Trace Context; ids and a flag) is read and forwarded, never
`tracestate` or `baggage`, which may contain anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from compat import __version__
from compat.errors import CompatError
from compat.observability.entry import RequestEntry

NAME = "qwen-asr-compat"
FIELDS = ("request_id", "caller", "model", "road", "format", "audio_seconds")
_propagator = TraceContextTextMapPropagator()


class Traces:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, __version__)

    @contextlib.contextmanager
    def request(self, route: str, traceparent: str | None, entry: RequestEntry) -> Iterator[None]:
        """Run a request or a live session in a span. `entry` is read at its end."""
        context = _propagator.extract({"traceparent": traceparent} if traceparent else {})
        attributes = {"http.request.method": entry.method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{entry.method} {route}",
            context,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                known: Any = entry.fields()
                span.set_attributes({f"compat.{name}": known[name] for name in FIELDS if name in known})
                if entry.status:
                    span.set_attribute("http.response.status_code", entry.status)
                if entry.error:
                    span.set_attribute("error.type", entry.error)
                if (entry.status or 0) >= 500:
                    span.set_status(StatusCode.ERROR)

    @contextlib.contextmanager
    def call(self, surface: str, *, first: bool) -> Iterator[dict[str, str]]:
        """Run one attempt at one of DashScope's surfaces in a span; yields its `traceparent` header."""
        attributes: dict[str, str | bool] = {"compat.surface": surface, "compat.repeated": not first}
        with self._tracer.start_as_current_span(
            f"DashScope {surface}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _headers()
            except BaseException as exc:
                span.set_attribute("error.type", (isinstance(exc, CompatError) and exc.code) or type(exc).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Export the remaining spans, and wait until they are sent."""
        self._provider.shutdown()


def _headers() -> dict[str, str]:
    carried: dict[str, str] = {}
    _propagator.inject(carried)
    return {name: value for name, value in carried.items() if name == "traceparent"}


def exported() -> Traces:
    """Return traces that are exported according to the standard `OTEL_…` variables."""
    resource = Resource({"service.name": NAME, "service.version": __version__})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
