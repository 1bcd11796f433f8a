"""OpenTelemetry's traces: a span for each request and each live session, and below it one for each call to DashScope.

Imported only where traces are wanted. Spans hold what the log holds: no words, prompts, keys or addresses of audio. Of
what callers send only `traceparent` (W3C Trace Context) is taken and passed on, which is ids and a flag; never
`tracestate` or `baggage`, in which anything may stand.
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
TOLD = ("request_id", "caller", "model", "road", "format", "audio_seconds")
_propagator = TraceContextTextMapPropagator()


class Traces:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, __version__)

    @contextlib.contextmanager
    def request(self, route: str, traceparent: str | None, entry: RequestEntry) -> Iterator[None]:
        """Around a request or a session. `entry` is what is known of it at its end."""
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
                span.set_attributes({f"compat.{name}": known[name] for name in TOLD if name in known})
                if entry.status:
                    span.set_attribute("http.response.status_code", entry.status)
                if entry.error:
                    span.set_attribute("error.type", entry.error)
                if (entry.status or 0) >= 500:
                    span.set_status(StatusCode.ERROR)

    @contextlib.contextmanager
    def call(self, surface: str, *, first: bool) -> Iterator[dict[str, str]]:
        """Around one attempt at a surface of the service; gives the `traceparent` for it."""
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
        """Sends what is not sent yet; waits for it."""
        self._provider.shutdown()


def _headers() -> dict[str, str]:
    carried: dict[str, str] = {}
    _propagator.inject(carried)
    return {name: value for name, value in carried.items() if name == "traceparent"}


def exported() -> Traces:
    """Traces that go where the standard `OTEL_…` variables say."""
    resource = Resource({"service.name": NAME, "service.version": __version__})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
