from __future__ import annotations

import re
from typing import Any

import pytest

from compat.config.keys import KeyEntry
from compat.config.principal import Principal
from compat.errors import ServiceUnavailable
from compat.observability.entry import RequestEntry
from compat.observability.metrics import Metrics, TurnLatency
from compat.openai_api.realtime import server_events as ours
from compat.transcript import Transcript, Usage

DONE: dict[str, Any] = {
    "request_id": "r",
    "method": "POST",
    "path": "/v1/audio/transcriptions",
    "status": 200,
    "ms": 1500.0,
    "caller": "alice",
    "model": "qwen3-asr-flash",
    "audio_seconds": 1000.0,
}
SESSION = {
    "caller": "alice",
    "model": "qwen3-asr-flash-realtime",
    "audio_seconds": 1000.0,
    "dialect": "ga",
    "code": 1000,
    "seconds": 3.0,
    "items": 2,
    "corrections": 1,
    "reconnections": 0,
}
ENTRIES: list[tuple[dict[str, Any], list[str]]] = [
    (
        DONE,
        [
            'compat_requests_total{caller="alice",error="",method="POST",path="/v1/audio/transcriptions",status="200"}',
            'compat_request_seconds_sum{path="/v1/audio/transcriptions"} 1.5',
        ],
    ),
    (
        {**DONE, "path": "/v1/audio/transcriptions/transcription_17", "method": "GET"},
        ['path="/v1/audio/transcriptions"'],
    ),
    ({**DONE, "path": "/v1/made/up"}, ['path="other"']),
    ({**DONE, "path": "/v1/realtime/translations/calls"}, ['path="/v1/realtime/translations/calls"']),
    ({**DONE, "path": "/v1/realtime/calls/rtc_1/hangup"}, ['path="/v1/realtime/calls"']),
    (
        {**DONE, "upload_ms": 250.0, "render_ms": 20.0},
        ['compat_stage_seconds_sum{stage="upload"} 0.25', 'compat_stage_seconds_sum{stage="render"} 0.02'],
    ),
    (
        {**DONE, "first_delta_ms": 500.0, "final_ms": 1250.0},
        ['compat_first_delta_seconds_sum{kind="stream"} 0.5', 'compat_final_seconds_sum{kind="stream"} 1.25'],
    ),
    ({**DONE, "status": 400, "error": "invalid_audio"}, ['error="invalid_audio"']),
]


@pytest.mark.parametrize(("entry", "expected"), ENTRIES)
def test_a_request_is_counted_by_its_entry(entry: dict[str, Any], expected: list[str]) -> None:
    metrics = Metrics(region="beijing", prices={})
    metrics.request(RequestEntry(**entry))

    text = metrics.text().decode()
    assert [part for part in expected if part not in text] == []


USAGES = [
    (Usage(seconds=1000.0), 1000.0, 0.032),
    (Usage(seconds=2000.0), 2000.0, 0.064),  # two channels are billed twice
    (Usage(audio_tokens=300), 1000.0, 0.032),
]


@pytest.mark.parametrize(("usage", "seconds", "dollars"), USAGES)
def test_a_transcript_costs_what_the_service_bills(usage: Usage, seconds: float, dollars: float) -> None:
    metrics = Metrics(region="beijing", prices={})
    alice = Principal("k", entry=KeyEntry(name="alice", digest=b""))
    metrics.transcript(alice, Transcript(text="a", duration=1000.0, usage=usage, model="qwen3-asr-flash"))

    text = metrics.text().decode()
    assert f'compat_audio_seconds_total{{caller="alice",model="qwen3-asr-flash"}} {seconds}' in text
    assert f'compat_cost_dollars_total{{caller="alice",model="qwen3-asr-flash"}} {dollars}' in text


def test_a_model_billed_by_tokens_costs_its_tokens() -> None:
    metrics = Metrics(region="beijing", prices={})
    alice = Principal("k", entry=KeyEntry(name="alice", digest=b""))
    usage = Usage(seconds=8.0, audio_tokens=1_000_000, text_tokens=0, output_tokens=100_000)
    for counted in (usage, Usage(seconds=8.0)):
        metrics.transcript(alice, Transcript(text="a", usage=counted, model="qwen-audio-3.1-asr-flash"))
    metrics.audio(alice, "qwen-audio-3.1-asr-flash-streaming", 8.0, (0, 0))
    metrics.audio(alice, "qwen-audio-3.1-asr-flash-streaming", 0.0, (1_000_000, 0))

    text = metrics.text().decode()
    assert 'compat_audio_seconds_total{caller="alice",model="qwen-audio-3.1-asr-flash"} 16.0' in text
    assert 'compat_cost_dollars_total{caller="alice",model="qwen-audio-3.1-asr-flash"} 0.1512' in text
    assert 'compat_cost_dollars_total{caller="alice",model="qwen-audio-3.1-asr-flash-streaming"} 0.848' in text


def test_sessions_and_watched_gauges_are_exported() -> None:
    metrics = Metrics(region="beijing", prices={})
    metrics.session(SESSION)
    metrics.audio(Principal("k", entry=KeyEntry(name="alice", digest=b"")), "qwen3-asr-flash-realtime", 1000.0)
    metrics.watch("requests_under_way", "Requests.", lambda: 7)

    text = metrics.text().decode()
    assert 'compat_sessions_total{code="1000",dialect="ga"} 1.0' in text
    assert "compat_session_corrections_total 1.0" in text
    assert "compat_requests_under_way 7.0" in text
    assert 'compat_audio_seconds_total{caller="alice",model="qwen3-asr-flash-realtime"} 1000.0' in text
    assert 'compat_cost_dollars_total{caller="alice",model="qwen3-asr-flash-realtime"} 0.047' in text


def test_jobs_latencies_and_event_loop_lag_are_exported() -> None:
    metrics = Metrics(region="beijing", prices={})
    metrics.job("begun")
    metrics.lag(0.015)
    metrics.first_delta("live", 0.3)
    metrics.final("live", 0.6)

    text = metrics.text().decode()
    assert 'compat_jobs_total{state="begun"} 1.0' in text
    assert 'compat_jobs_total{state="failed"} 0.0' in text
    assert 'compat_loop_lag_seconds_bucket{le="0.01"} 0.0' in text
    assert 'compat_first_delta_seconds_sum{kind="live"} 0.3' in text
    assert 'compat_final_seconds_sum{kind="live"} 0.6' in text


def test_values_chosen_by_clients_do_not_become_labels() -> None:
    metrics = Metrics(region="beijing", prices={})
    for number in range(100):
        name = f"qwen3-asr-flash-realtime-2026-01-{number:02}"
        metrics.session({**SESSION, "code": 4000 + number, "model": name, "audio_seconds": 0.0})
        metrics.request(
            RequestEntry(**{**DONE, "path": f"/v1/{number}", "model": name, "status": 404, "error": "model_not_found"})
        )

    text = metrics.text().decode()
    assert 'compat_sessions_total{code="application",dialect="ga"} 100.0' in text
    assert "2026-01" not in text
    assert 'path="other",status="404"} 100.0' in text


STARTED = ours.SpeechStarted(event_id="e", audio_start_ms=0, item_id="item")
STOPPED = ours.SpeechStopped(event_id="e", audio_end_ms=0, item_id="item")
COMMITTED = ours.Committed(event_id="e", previous_item_id=None, item_id="item")
DELTA = ours.Delta(event_id="e", item_id="item", delta="It", dashscope=ours.Hint())
COMPLETED = ours.Completed(
    event_id="e", item_id="item", transcript="It was.", usage=ours.DurationUsage(1.0), dashscope=ours.Hint()
)
FAILED = ours.Failed(event_id="e", item_id="item", error=ours.Fault.of(ServiceUnavailable("Gone.")))

# events with their times; the expected seconds to the first delta, and to the final text
SENT: list[tuple[list[tuple[float, ours.ServerEvent]], list[float], list[float]]] = [
    ([(0, STARTED), (1, DELTA), (2, DELTA), (3, STOPPED), (3, COMMITTED), (5, COMPLETED)], [1], [2]),
    ([(10, COMMITTED), (11, DELTA), (14, COMPLETED)], [1], [4]),
    ([(0, STARTED), (2, COMMITTED), (3, COMPLETED)], [], [1]),
    ([(0, STARTED), (2, COMMITTED), (3, FAILED)], [], []),
    ([(0, STARTED), (1, DELTA)], [1], []),
]


@pytest.mark.parametrize(("events", "first", "final"), SENT)
def test_the_latency_of_each_turn_is_counted(
    events: list[tuple[float, ours.ServerEvent]], first: list[float], final: list[float]
) -> None:
    metrics, now = Metrics(region="custom", prices={}), [0.0]
    turns = TurnLatency(metrics, clock=lambda: now[0])
    for now[0], event in events:
        turns.sent(event)

    assert [first, final] == [counted(metrics, name) for name in ("first_delta_seconds", "final_seconds")]


def counted(metrics: Metrics, name: str) -> list[float]:
    """Return the sum of the observations in a list; an empty list if there are none."""
    match = re.search(rf'^compat_{name}_sum{{kind="live"}} (\S+)$', metrics.text().decode(), re.MULTILINE)
    return [float(match[1])] if match else []
