"""Events of a streamed transcript, checked with the official package; the deltas join to the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent

from compat.errors import ServiceTimedOut
from compat.openai_api import sse
from compat.openai_api.jobs import progress
from compat.transcript import Ask, Transcript

ASK = Ask(model="gpt-4o-transcribe", stream=True)
TRANSCRIPT = Transcript(text="Hello\nworld.", duration=1.0, model="qwen3-asr-flash", surface="chat", language="en")


def data(frame: bytes) -> bytes:
    assert frame.startswith(b"data: ")
    assert frame.endswith(b"\n\n")
    assert 2 == frame.count(b"\n"), "one frame is one line"
    return frame[6:-2]


def events(frames: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(data(frame)) for frame in frames]


def test_the_official_package_reads_a_delta() -> None:
    frame = data(sse.delta("Hello\n"))

    assert json.loads(frame) == {"type": "transcript.text.delta", "delta": "Hello\n"}
    assert "Hello\n" == TranscriptionTextDeltaEvent.model_validate_json(frame, strict=True).delta


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-transcribe", "qwen3-asr-flash"])
def test_the_official_package_reads_done(model: str) -> None:
    frame = data(sse.done(TRANSCRIPT, Ask(model=model, stream=True)))

    assert TranscriptionTextDoneEvent.model_validate_json(frame, strict=True).model_dump(
        exclude_unset=True
    ) == json.loads(frame)


def test_done_has_text_usage_and_the_extension() -> None:
    assert events([sse.done(TRANSCRIPT, ASK)]) == [
        {
            "type": "transcript.text.done",
            "text": "Hello\nworld.",
            "usage": {
                "type": "tokens",
                "input_tokens": 25,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 25},
                "output_tokens": 4,
                "total_tokens": 29,
            },
            "dashscope": {"model": "qwen3-asr-flash", "surface": "chat", "language": "en"},
        }
    ]


def test_an_error_event_is_an_error_object() -> None:
    assert events([sse.error(ServiceTimedOut("No answer in 60 s."))]) == [
        {
            "error": {
                "message": "No answer in 60 s.",
                "type": "server_error",
                "param": None,
                "code": "upstream_timeout",
            }
        }
    ]


def test_a_ping_is_a_comment() -> None:
    assert sse.PING.startswith(b":")
    assert sse.PING.endswith(b"\n\n")


def test_a_ping_contains_known_progress() -> None:
    comment = sse.ping(progress(120.0, 30.0, 2))

    assert sse.PING == sse.ping(progress(120.0))
    assert (b": progress ", b"\n\n") == (comment[:11], comment[-2:])
    assert {"progress": 0.25, "seconds_done": 30.0, "seconds_total": 120.0, "pieces_done": 2} == json.loads(
        comment[11:]
    )


STREAMS: list[tuple[list[str], str, list[str], str]] = [
    (["Hel", "lo"], "Hello", ["Hel", "lo"], "Hello"),
    (["Hel"], "Hello.", ["Hel", "lo."], "Hello."),
    ([], "Hello.", ["Hello."], "Hello."),
    ([], "", [], ""),
    (["", "a"], "a", ["a"], "a"),
    (["Hello wrld"], "Hello world", ["Hello wrld"], "Hello wrld"),
    (["Hello "], "Hello", ["Hello "], "Hello "),
]


@pytest.mark.parametrize(("fed", "text", "deltas", "done"), STREAMS)
def test_the_last_delta_adds_the_missing_text(fed: list[str], text: str, deltas: list[str], done: str) -> None:
    stream = sse.TextDeltas()
    frames = [frame for piece in fed for frame in stream.feed(piece)]
    *sent, last = events(frames + stream.flush(Transcript(text=text), ASK))

    assert deltas == [event["delta"] for event in sent]
    assert ("transcript.text.done", done) == (last["type"], last["text"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=5)), st.text(max_size=10))
def test_the_deltas_always_join_to_the_text(pieces: list[str], text: str) -> None:
    stream = sse.TextDeltas()
    frames = [frame for piece in pieces for frame in stream.feed(piece)]
    *deltas, done = events(frames + stream.flush(Transcript(text=text), ASK))

    assert "".join(event["delta"] for event in deltas) == done["text"]
