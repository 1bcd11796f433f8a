"""Prometheus metrics, served at /metrics. Labels are names of surfaces, models and clients, never a key, a prompt, a
transcript or an address."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import UNSET
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue

from compat.catalogue import rates
from compat.config.principal import Principal
from compat.observability.entry import RequestEntry
from compat.openai_api.realtime import server_events as ours
from compat.sharing.team import Team
from compat.transcript import Transcript

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800, 10800)
PATHS = (
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/realtime/client_secrets",
    "/v1/realtime/calls",
    "/v1/realtime/transcription_sessions",
    "/v1/realtime/translations/client_secrets",
    "/v1/realtime/translations/calls",
    "/v1/realtime/translations",
    "/v1/realtime",
    "/v1/models",
    "/v1/dashscope/usage",
    "/v1/dashscope/vocabularies",
    "/healthz",
    "/health",
    "/readyz",
    "/metrics",
)


STATES = ("begun", "taken_over", "running", "completed", "failed", "cancelled")  # of long jobs


class Metrics:
    """The metrics of one server. `prices` override the published prices of `region`. `on_audio` is called with a
    client's account, a model, the seconds of audio, their price in dollars, None if it is unknown, and the number of
    requests.

    With a `team`, each worker keeps its figures in a file of the team's folder, and every worker answers for all. The
    successor of a dead worker continues its file.
    """

    def __init__(
        self,
        *,
        region: str,
        prices: Mapping[str, rates.Price],
        team: Team | None = None,
        on_audio: Callable[[str, str, float, float | None, int], object] = lambda *_: None,
    ) -> None:
        self._on_audio = on_audio
        self._region = region
        self._prices = prices
        self._registry = self._shown = CollectorRegistry()
        self._team = team
        self._summed: list[tuple[Gauge, Callable[[], float]]] = []
        if team is not None:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(team.metrics)  # where MultiProcessValue reads it
            values.ValueClass = MultiProcessValue(lambda: team.memory.worker)  # type: ignore[no-untyped-call]
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown, str(team.metrics))  # type: ignore[no-untyped-call]
        self._requests = self._counters("requests", "Requests.", "path", "method", "status", "error", "caller")
        self._seconds = self._histograms("request_seconds", "From the request head to the end of the response.", "path")
        self._refusals = self._counters("refusals", "Requests and sessions rejected before routing.", "status", "error")
        self._stages = self._histograms("stage_seconds", "Where requests spend their time.", "stage")
        self._calls = self._counters("service_calls", "Calls to DashScope, including retries.", "surface", "outcome")
        self._retries = self._counters("service_retries", "Retries of calls to DashScope.", "surface")
        self._breaker = self._gauges("breaker_open", "1 while the circuit breaker of this surface is open.", "surface")
        self._first = self._histograms("first_delta_seconds", "Time to the first delta.", "kind")
        self._final = self._histograms("final_seconds", "Time to the final text.", "kind")
        self._jobs = self._counters("jobs", "Long jobs of this process, by the state reached.", "state")
        for state in STATES:
            self._jobs(state)  # starts at 0, so that Prometheus sees the first event as an increase
        self._lag = self._histogram("loop_lag_seconds", "Lag of the event loop.")
        self._audio = self._counters("audio_seconds", "Transcribed audio.", "caller", "model")
        self._cost = self._counters("cost_dollars", "Price of that audio, if known.", "caller", "model")
        self._sessions = self._counters("sessions", "Live sessions that have ended.", "dialect", "code")
        self._session_seconds = self._histogram("session_seconds", "Duration of live sessions.")
        self._items = self._counter("session_items", "Turns transcribed in live sessions.")
        self._corrections = self._counter("session_corrections", "Final texts that contradict their deltas.")
        self._reconnections = self._counter("session_reconnections", "Reconnections to DashScope in live sessions.")

    def text(self) -> bytes:
        self._publish()
        return generate_latest(self._shown)

    def watch(self, name: str, help: str, value: Callable[[], float], *, own: bool = False) -> None:  # noqa: A002 - Prometheus's word
        """Register a gauge whose value is computed at each scrape. `own` is for a value of this worker alone: the
        gauge is the sum of all workers' values."""
        if own and self._team is not None:
            gauge = Gauge(f"compat_{name}", help, registry=self._registry, multiprocess_mode="livesum")
            self._summed.append((gauge, value))
        else:
            self._shown.register(WatchedGauge(f"compat_{name}", help, value))

    async def publish(self) -> None:
        """Publish this worker's own gauges to the others every second, until cancelled."""
        while self._summed:
            self._publish()
            await asyncio.sleep(1.0)

    def _publish(self) -> None:
        for gauge, value in self._summed:
            gauge.set(value())

    def request(self, entry: RequestEntry) -> None:
        """Count a request that has ended."""
        path, status, caller = route(entry.path), entry.status or 499, entry.caller or ""
        self._requests(path, entry.method, status, entry.error or "", caller).inc()
        self._seconds(path).observe((entry.ms or 0.0) / 1000)
        if entry.upload_ms is not UNSET:
            self.stage("upload", entry.upload_ms / 1000)
        if entry.render_ms is not UNSET:
            self.stage("render", entry.render_ms / 1000)
        if entry.first_delta_ms is not UNSET:
            self.first_delta("stream", entry.first_delta_ms / 1000)
        if entry.final_ms is not UNSET:
            self.final("stream", entry.final_ms / 1000)

    def refusal(self, status: int, code: str) -> None:
        """Count a rejection before routing: an invalid request head or handshake, a slow client, a rejected session."""
        self._refusals(status, code).inc()

    def transcript(self, principal: Principal, transcript: Transcript) -> None:
        """Count the audio of a transcript: the seconds that the service bills, or the length if it bills tokens."""
        usage = transcript.usage
        seconds = transcript.duration if usage.seconds is None else usage.seconds
        self.audio(principal, transcript.model, seconds, usage.tokens)

    def audio(
        self,
        principal: Principal,
        model: str,
        seconds: float,
        tokens: tuple[int, int] | None = None,
        *,
        requests: int = 1,
    ) -> None:
        """Count `seconds` of audio in `requests` to the service, and their cost. `tokens` are those of input and of
        output, if the service reports them."""
        if not (seconds or any(tokens or ())):
            return  # a session that sends no audio could otherwise create a label with any model name
        caller = principal.name
        self._audio(caller, model).inc(seconds)
        price = rates.price(model, self._region, self._prices)
        dollars = None if price is None else rates.cost(price, seconds, tokens)
        if dollars is not None:
            self._cost(caller, model).inc(dollars)
        self._on_audio(principal.account, model, seconds, dollars, requests)

    def session(self, entry: Mapping[str, Any]) -> None:
        """Count a live session that has ended, given the fields of its log entry."""
        self._sessions(entry["dialect"], _close(entry["code"])).inc()
        self._session_seconds.observe(entry["seconds"])
        self._items.inc(entry["items"])
        self._corrections.inc(entry["corrections"])
        self._reconnections.inc(entry["reconnections"])

    def stage(self, name: str, seconds: float) -> None:
        """Record the time of a stage: `upload`, `queue`, `service` or `render`."""
        self._stages(name).observe(seconds)

    def first_delta(self, kind: str, seconds: float) -> None:
        """Record the time to the first delta: for `stream` from the end of the upload, for `live` and `translation`
        from the start of the turn or from the client's commit."""
        self._first(kind).observe(seconds)

    def final(self, kind: str, seconds: float) -> None:
        """Record the time to the final text: for `stream` from the end of the upload, for the others from the
        commit."""
        self._final(kind).observe(seconds)

    def job(self, state: str) -> None:
        """Count a job that reached a state: `begun`, `taken_over`, `running` (task submitted), or a final state."""
        self._jobs(state).inc()

    def lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def call(self, surface: str, outcome: str, *, first: bool) -> None:
        self._calls(surface, outcome).inc()
        if not first:
            self._retries(surface).inc()

    def breaker(self, surface: str, *, is_open: bool) -> None:
        self._breaker(surface).set(is_open)

    # Functions from the values of the labels to their metric, cached: `labels` takes longer than counting.

    def _counters(self, name: str, help: str, *labels: str) -> Callable[..., Counter]:  # noqa: A002 - Prometheus's word
        return cache(self._counter(name, help, *labels).labels)

    def _gauges(self, name: str, help: str, *labels: str) -> Callable[..., Gauge]:  # noqa: A002 - Prometheus's word
        gauge = Gauge(f"compat_{name}", help, labels, registry=self._registry, multiprocess_mode="livemostrecent")
        return cache(gauge.labels)

    def _histograms(self, name: str, help: str, *labels: str) -> Callable[..., Histogram]:  # noqa: A002 - Prometheus's word
        return cache(self._histogram(name, help, *labels).labels)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:  # noqa: A002 - Prometheus's word
        return Counter(f"compat_{name}", help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, *labels: str) -> Histogram:  # noqa: A002 - Prometheus's word
        return Histogram(f"compat_{name}", help, labels, buckets=SECONDS, registry=self._registry)


class WatchedGauge(Collector):
    """A gauge whose value is computed at each scrape."""

    def __init__(self, name: str, help: str, value: Callable[[], float]) -> None:  # noqa: A002 - Prometheus's word
        self._name = name
        self._help = help
        self._value = value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._help, value=self._value())


def _close(code: int | None) -> str:
    """Return the label of a close code; all codes that applications define share one label."""
    return str(code) if code is None or code < 3000 else "application"


def route(path: str) -> str:
    """Return the label of a path: one per route, whatever the id; unknown paths share one."""
    return next((known for known in PATHS if path == known or path.startswith(f"{known}/")), "other")


class TurnLatency:
    """Measures the turns of a live session by the events that are sent to the client. The first delta is timed from the
    start of the turn, or from its commit if the client commits; the final text is timed from the commit. `kind`:
    `live`, or `translation`, whose text follows the speech by some seconds."""

    def __init__(self, metrics: Metrics, kind: str = "live", clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._kind = kind
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._committed: dict[str, float] = {}

    def sent(self, event: ours.ServerEvent) -> None:
        """Record an event that is sent to the client."""
        match event:
            case ours.SpeechStarted(item_id=item):
                self._begun[item] = self._clock()
            case ours.Committed(item_id=item):
                self._committed[item] = self._clock()
                self._begun.setdefault(item, self._committed[item])
            case ours.Delta(item_id=item) if item in self._begun:
                self._metrics.first_delta(self._kind, self._clock() - self._begun.pop(item))
            case ours.Completed(item_id=item) | ours.Failed(item_id=item):
                self._begun.pop(item, None)
                committed = self._committed.pop(item, None)
                if committed is not None and isinstance(event, ours.Completed):
                    self._metrics.final(self._kind, self._clock() - committed)
            case _:
                pass
