"""What operators see at /metrics, in Prometheus's text format. Labels are names of surfaces, models and callers: never
a key, a prompt, a transcript or an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from compat.catalogue import rates
from compat.observability.entry import RequestEntry

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 10800)
PATHS = (
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/realtime/client_secrets",
    "/v1/realtime/transcription_sessions",
    "/v1/realtime",
    "/v1/models",
    "/healthz",
    "/health",
    "/readyz",
    "/metrics",
)


class Metrics:
    """One registry a server. `prices` are the operator's own, before the published ones of `region`."""

    def __init__(self, *, region: str, prices: Mapping[str, float]) -> None:
        self._region = region
        self._prices = prices
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "By outcome.", "path", "method", "status", "error", "caller")
        self._seconds = self._histogram("request_seconds", "From a request's head to its answer's end.", "path")
        self._refusals = self._counter("refusals", "What was refused before it was a request.", "status", "error")
        self._stages = self._histogram("stage_seconds", "Where requests spend their time.", "stage")
        self._calls = self._counter("service_calls", "Calls to DashScope, every attempt.", "surface", "outcome")
        self._retries = self._counter("service_retries", "Attempts after the first.", "surface")
        self._breaker = self._gauge("breaker_open", "1 while nobody asks this surface.", "surface")
        self._first = self._histogram("first_delta_seconds", "What callers wait for the first words.", "kind")
        self._final = self._histogram("final_seconds", "What callers wait for the final text.", "kind")
        self._jobs = self._counter("jobs", "Long jobs of this process that came to a state.", "state")
        self._lag = self._histogram("loop_lag_seconds", "How late this process comes to what is due.")
        self._audio = self._counter("audio_seconds", "Audio that was transcribed.", "caller", "model")
        self._cost = self._counter("cost_dollars", "Its price, where it is known.", "caller", "model")
        self._sessions = self._counter("sessions", "Live sessions that have ended.", "dialect", "code")
        self._session_seconds = self._histogram("session_seconds", "How long live sessions lasted.")
        self._items = self._counter("session_items", "Utterances transcribed live.")
        self._corrections = self._counter("session_corrections", "Deltas that the final text took back.")
        self._reconnections = self._counter("session_reconnections", "Connections to the service opened again.")

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def watch(self, name: str, help: str, value: Callable[[], float]) -> None:  # noqa: A002 - Prometheus's word
        """A figure that is asked for when it is scraped."""
        self._gauge(name, help).set_function(value)

    def request(self, entry: RequestEntry) -> None:
        """A request that has ended."""
        path, status, caller = route(entry.path), entry.status or 499, entry.caller or ""
        self._requests.labels(path, entry.method, status, entry.error or "", caller).inc()
        self._seconds.labels(path).observe((entry.ms or 0.0) / 1000)
        if entry.upload_ms is not UNSET:
            self.stage("upload", entry.upload_ms / 1000)
        if entry.render_ms is not UNSET:
            self.stage("render", entry.render_ms / 1000)
        if entry.first_delta_ms is not UNSET:
            self.first_delta("stream", entry.first_delta_ms / 1000)
        if entry.final_ms is not UNSET:
            self.final("stream", entry.final_ms / 1000)
        if status == 200 and entry.audio_seconds and entry.model:
            self.audio(caller, entry.model, entry.audio_seconds)

    def refusal(self, status: int, code: str) -> None:
        """Of what had no path yet: a head or a handshake that cannot be read, a caller too slow, a session that is not
        let in."""
        self._refusals.labels(status, code).inc()

    def audio(self, caller: str, model: str, seconds: float) -> None:
        if not seconds:  # models that a session merely named would each be a label
            return
        self._audio.labels(caller, model).inc(seconds)
        price = rates.price(model, self._region, self._prices)
        if price is not None:
            self._cost.labels(caller, model).inc(price * seconds)

    def session(self, line: Mapping[str, Any]) -> None:
        """From the session's log line."""
        self._sessions.labels(line["dialect"], _close(line["code"])).inc()
        self._session_seconds.observe(line["seconds"])
        self._items.inc(line["items"])
        self._corrections.inc(line["corrections"])
        self._reconnections.inc(line["reconnections"])
        self.audio(line["caller"], line["model"], line["audio_seconds"])

    def stage(self, name: str, seconds: float) -> None:
        """`upload`, `queue`, `service` or `render`."""
        self._stages.labels(name).observe(seconds)

    def first_delta(self, kind: str, seconds: float) -> None:
        """`stream`: from the whole upload on. `live`: from the beginning of the turn, or from the caller's commit."""
        self._first.labels(kind).observe(seconds)

    def final(self, kind: str, seconds: float) -> None:
        """`stream`: from the whole upload on. `live`: from the turn's commit."""
        self._final.labels(kind).observe(seconds)

    def job(self, state: str) -> None:
        """`begun`, `taken_over`, `running` (its task is submitted), or how it ended."""
        self._jobs.labels(state).inc()

    def lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def call(self, surface: str, outcome: str, *, first: bool) -> None:
        self._calls.labels(surface, outcome).inc()
        if not first:
            self._retries.labels(surface).inc()

    def breaker(self, surface: str, *, is_open: bool) -> None:
        self._breaker.labels(surface).set(is_open)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:  # noqa: A002 - Prometheus's word
        return Counter(f"compat_{name}", help, labels, registry=self._registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:  # noqa: A002 - Prometheus's word
        return Gauge(f"compat_{name}", help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, *labels: str) -> Histogram:  # noqa: A002 - Prometheus's word
        return Histogram(f"compat_{name}", help, labels, buckets=SECONDS, registry=self._registry)


def _close(code: int | None) -> str:
    """One label for all codes that applications choose for themselves."""
    return str(code) if code is None or code < 3000 else "application"


def route(path: str) -> str:
    """One label for each route, however many ids and wrong addresses are asked for."""
    return next((known for known in PATHS if path == known or path.startswith(f"{known}/")), "other")
