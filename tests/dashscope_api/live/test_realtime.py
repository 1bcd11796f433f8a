"""Events of `/api-ws/v1/realtime`, in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat.dashscope_api.live import turns
from compat.dashscope_api.live.realtime import RealtimeSession
from compat.errors import ContentRefused, NotAuthenticated, QuotaExceeded, RateLimited, ServiceFailed

WIRE = RealtimeSession()


@pytest.mark.parametrize(
    ("setup", "session"),
    [
        (
            turns.Setup(model="m"),
            {
                "modalities": ["text"],
                "input_audio_format": "pcm",
                "sample_rate": 16000,
                "input_audio_transcription": {},
                "turn_detection": None,
            },
        ),
        (
            turns.Setup(
                model="m",
                format="opus",
                rate=8000,
                language="zh",
                context="Qwen",
                detection=turns.Detection(0.2, 800),
            ),
            {
                "modalities": ["text"],
                "input_audio_format": "opus",
                "sample_rate": 8000,
                "input_audio_transcription": {"language": "zh", "corpus": {"text": "Qwen"}},
                "turn_detection": {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 800},
            },
        ),
    ],
)
def test_setup_is_a_session_update(setup: turns.Setup, session: dict[str, Any]) -> None:
    assert {"type": "session.update", "event_id": "e", "session": session} == json.loads(WIRE.setup(setup, "e"))


def test_append_commit_and_finish() -> None:
    assert {"type": "input_audio_buffer.append", "event_id": "e", "audio": "AAE="} == json.loads(
        WIRE.append(b"\0\1", "e")
    )
    assert {"type": "input_audio_buffer.commit", "event_id": "e"} == json.loads(WIRE.commit("e"))
    assert {"type": "session.finish", "event_id": "e"} == json.loads(WIRE.finish("e"))


TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.mark.parametrize(
    ("event", "report"),
    [
        ({"type": "session.created", "session": {"id": "s"}}, turns.OtherEvent()),
        ({"type": "session.updated", "session": {}}, turns.OtherEvent()),
        ({"type": "conversation.item.created", "item": {"id": "i"}}, turns.OtherEvent()),
        ({"type": "something.new", "event_id": "e"}, turns.OtherEvent()),
        (
            {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 5},
            turns.Started("i", 5),
        ),
        ({"type": "input_audio_buffer.speech_started", "item_id": "i"}, turns.Started("i", None)),
        ({"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 9}, turns.Stopped("i", 9)),
        ({"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 9.8}, turns.Stopped("i", 10)),
        ({"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 5.0}, turns.Started("i", 5)),
        (
            {"type": "input_audio_buffer.committed", "item_id": "i", "previous_item_id": None},
            turns.TurnCommitted("i"),
        ),
        (
            {"type": TEXT, "item_id": "i", "text": "a", "stash": "b", "language": "zh", "emotion": "happy"},
            turns.Snapshot(turn="i", text="a", stash="b", language="zh", emotion="happy"),
        ),
        ({"type": TEXT, "item_id": "i", "text": None}, turns.Snapshot(turn="i")),
        (
            {"type": COMPLETED, "item_id": "i", "transcript": "a", "language": "zh"},
            turns.Final(turn="i", text="a", language="zh"),
        ),
        ({"type": COMPLETED, "item_id": "i"}, turns.Final(turn="i", text="")),
        (
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": "i",
                "error": {"code": "ASR_RESPONSE_HAVE_NO_WORDS"},
            },
            turns.Final(turn="i", text=""),
        ),
        ({"type": "session.finished", "event_id": "e"}, turns.Finished()),
    ],
)
def test_an_event_becomes_a_report(event: dict[str, Any], report: turns.Report) -> None:
    assert (report,) == WIRE.read(json.dumps(event))


def test_a_failed_turn_is_reported_with_its_error() -> None:
    event = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "i",
        "error": {"code": "DataInspectionFailed", "message": "no", "param": None},
    }
    (report,) = WIRE.read(json.dumps(event))

    assert isinstance(report, turns.TurnFailed)
    assert ("i", ContentRefused) == (report.turn, type(report.error))


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"type": "server_error", "code": "InternalError", "message": "x"}, ServiceFailed, True),
        ({"type": "server_error", "code": "Throttling.RateQuota", "message": "x"}, RateLimited, True),
        ({"type": "server_error", "code": "Arrearage", "message": "x"}, QuotaExceeded, False),
        ({"type": "server_error", "code": "InvalidApiKey", "message": "x"}, NotAuthenticated, False),
        ({}, ServiceFailed, True),
    ],
)
def test_errors_that_end_the_session(error: dict[str, Any], kind: type[Exception], retryable: bool) -> None:
    (report,) = WIRE.read(json.dumps({"type": "error", "error": error}))

    assert isinstance(report, turns.Broken)
    assert (kind, retryable) == (type(report.error), report.error.retryable)


def test_an_invalid_request_error_does_not_end_the_session() -> None:
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no", "param": "p", "event_id": "e"}
    (report,) = WIRE.read(json.dumps({"type": "error", "error": error}))

    assert isinstance(report, turns.Refused)
    assert ("e", "p", "invalid_value", 400) == (
        report.about,
        report.error.param,
        report.error.code,
        report.error.status,
    )
    assert not report.concerns("language")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "7",
        "{}",
        b"\xff",
        '{"x":' * 100_000,
        json.dumps({"type": COMPLETED}),
        json.dumps({"type": TEXT, "item_id": 7}),
    ],
)
def test_an_invalid_event_breaks_the_session(raw: str | bytes) -> None:
    assert isinstance(WIRE.read(raw)[0], turns.Broken)
