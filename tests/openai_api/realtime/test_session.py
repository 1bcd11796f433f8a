from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from compat.bridge.settings import setup
from compat.errors import BadRequest, CompatError, ModelNotFound
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import AudioFormat, Session, Vad, apply

START = Session(native="qwen3-asr-flash-realtime")


def resolve(name: str) -> str:
    if name == "no-such":
        raise ModelNotFound("unknown")
    return "qwen3-asr-flash-realtime"


def patched(sent: dict[str, Any], session: Session = START) -> Session:
    return apply(session, msgspec.convert(sent, Patch), resolve)


def inside(**fields: object) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": fields}}


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ({}, AudioFormat("pcm", 24000)),
        ({"input_audio_format": "pcm16"}, AudioFormat("pcm", 24000)),
        ({"input_audio_format": "pcm16", "sample_rate": 16000}, AudioFormat("pcm", 16000)),
        ({"sample_rate": 8000}, AudioFormat("pcm", 8000)),
        ({"input_audio_format": "g711_ulaw"}, AudioFormat("ulaw", 8000)),
        ({"input_audio_format": "g711_alaw"}, AudioFormat("alaw", 8000)),
        ({"input_audio_format": "opus"}, AudioFormat("opus", 16000)),
        ({"input_audio_format": None}, AudioFormat("pcm", 24000)),
        (inside(format={"type": "audio/pcm"}), AudioFormat("pcm", 24000)),
        (inside(format={"type": "audio/pcm", "rate": 48000}), AudioFormat("pcm", 48000)),
        (inside(format={"type": "audio/pcm", "rate": 16000.0}), AudioFormat("pcm", 16000)),
        (inside(format={"type": "audio/pcmu"}), AudioFormat("ulaw", 8000)),
        (inside(format={"type": "audio/pcma"}), AudioFormat("alaw", 8000)),
        (inside(format="pcm16"), AudioFormat("pcm", 24000)),
    ],
)
def test_an_audio_format_is_applied(sent: dict[str, Any], form: AudioFormat) -> None:
    assert form == patched(sent).format


@pytest.mark.parametrize(
    ("sent", "vad"),
    [
        ({}, Vad()),
        ({"turn_detection": None}, None),
        ({"turn_detection": {"type": "none"}}, None),
        (inside(turn_detection=None), None),
        ({"turn_detection": {"type": "server_vad", "threshold": 0.1}}, Vad(threshold=0.1)),
        (inside(turn_detection={"silence_duration_ms": 700}), Vad(silence_duration_ms=700)),
        (inside(turn_detection={"type": "semantic_vad"}), Vad(silence_duration_ms=1000, eagerness="auto")),
        (
            inside(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
            Vad(silence_duration_ms=4000, eagerness="low"),
        ),
        (inside(transcription={"model": "gpt-realtime-whisper"}), None),
        (inside(transcription={"model": "gpt-live-transcribe"}, turn_detection={"type": "server_vad"}), Vad()),
    ],
)
def test_turn_detection_is_applied(sent: dict[str, Any], vad: Vad | None) -> None:
    assert vad == patched(sent).vad


@pytest.mark.parametrize(
    ("sent", "language", "context"),
    [
        ({"input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "Qwen"}}, "en", "Qwen"),
        (inside(transcription={"language": "tl"}), "fil", ""),
        (inside(transcription={"language": ""}), None, ""),
        (inside(transcription={"language": "sw"}), None, ""),
        (inside(transcription={"languages": ["de"]}), "de", ""),
        (inside(transcription={"languages": ["de", "en"]}), None, ""),
        (inside(transcription={"prompt": "A talk.", "keywords": ["Köln", "Rhein"]}), None, "A talk.\nKöln, Rhein"),
    ],
)
def test_language_and_context_are_applied(sent: dict[str, Any], language: str | None, context: str) -> None:
    session = patched(sent)

    assert (language, context) == (session.language_code, setup(session).context)


def test_absent_fields_are_unchanged() -> None:
    first = patched(inside(transcription={"model": "m", "language": "en", "prompt": "p"}, turn_detection=None))
    second = patched(inside(transcription={"prompt": None}, noise_reduction={"type": "near_field"}), first)

    assert ("m", "qwen3-asr-flash-realtime", "en", None, None) == (
        second.model,
        second.native,
        second.language,
        second.prompt,
        second.vad,
    )


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"type": "chat"}, "session.type"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"input_audio_format": "pcm16", "sample_rate": 44100}, "session.sample_rate"),
        ({"turn_detection": {"type": "x"}}, "session.turn_detection.type"),
        ({"turn_detection": {"threshold": 1.1}}, "session.turn_detection.threshold"),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "x"}}, "session.turn_detection.eagerness"),
        ({"input_audio_transcription": {"model": "no-such"}}, "session.input_audio_transcription.model"),
        ({"input_audio_transcription": {"language": "xx"}}, "session.input_audio_transcription.language"),
        (inside(noise_reduction={"type": "x"}), "session.audio.input.noise_reduction.type"),
        ({"input_audio_noise_reduction": {"type": "x"}}, "session.input_audio_noise_reduction.type"),
        (inside(transcription={"delay": "x"}), "session.audio.input.transcription.delay"),
        ({"include": ["item.input_audio_transcription.logprobs", "bogus"]}, "session.include[1]"),
        (inside(format={"type": "audio/flac"}), "session.audio.input.format.type"),
        (inside(format={"type": "audio/pcm", "rate": 1}), "session.audio.input.format.rate"),
        (inside(format={"type": "audio/pcm", "rate": 16000.5}), "session.audio.input.format.rate"),
        (inside(turn_detection={"prefix_padding_ms": 1e30}), "session.audio.input.turn_detection.prefix_padding_ms"),
        (inside(turn_detection={"prefix_padding_ms": 60_001}), "session.audio.input.turn_detection.prefix_padding_ms"),
        (inside(turn_detection={"prefix_padding_ms": 0.5}), "session.audio.input.turn_detection.prefix_padding_ms"),
        ({"turn_detection": {"silence_duration_ms": 1.5}}, "session.turn_detection.silence_duration_ms"),
        (inside(transcription={"prompt": "four " * 10_001}), "session.audio.input.transcription.prompt"),
        (inside(transcription={"keywords": ["four"] * 9000}), "session.audio.input.transcription.keywords"),
        (
            inside(transcription={"prompt": "x" * 20_004, "keywords": ["y" * 20_004]}),
            "session.audio.input.transcription.prompt",
        ),
        ({"input_audio_transcription": {"prompt": "中" * 10_001}}, "session.input_audio_transcription.prompt"),
        (inside(turn_detection={"prefix_padding_ms": -1}), "session.audio.input.turn_detection.prefix_padding_ms"),
        (inside(turn_detection={"silence_duration_ms": -1}), "session.audio.input.turn_detection.silence_duration_ms"),
        (inside(transcription={"languages": ["en", "xx"]}), "session.audio.input.transcription.languages[1]"),
        (
            inside(transcription={"language": "en", "languages": ["de", "fr"]}),
            "session.audio.input.transcription.languages",
        ),
    ],
)
def test_an_invalid_value_is_refused_naming_the_field(sent: dict[str, Any], param: str) -> None:
    with pytest.raises(CompatError) as refused:
        patched(sent)

    assert param == refused.value.param


FORMATS: dict[str, list[dict[str, Any]]] = {
    "The audio format 'audio/wav' is not supported. Use audio/pcm, audio/pcmu, audio/pcma or audio/opus.": [
        inside(format={"type": "audio/wav"}),
        {"input_audio_format": {"type": "audio/wav"}},
    ],
    "The audio format 'wav' is not supported. Use pcm16, pcm, g711_ulaw, g711_alaw or opus.": [
        inside(format="wav"),
        {"input_audio_format": "wav"},
    ],
    "PCM at 44100 Hz is not supported. Use 8000, 16000, 24000 or 48000 Hz.": [
        inside(format={"type": "audio/pcm", "rate": 44100}),
        {"input_audio_format": "pcm16", "sample_rate": 44100},
    ],
}


@pytest.mark.parametrize(("message", "sent"), [(message, sent) for message in FORMATS for sent in FORMATS[message]])
def test_an_unsupported_format_gets_the_supported_ones_under_the_names_of_its_dialect(
    message: str, sent: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest, match=f"^{re.escape(message)}$"):
        patched(sent)


def test_the_context_is_bounded_over_several_updates() -> None:
    session = patched(inside(transcription={"prompt": "x" * 39_000}))

    with pytest.raises(CompatError) as refused:
        patched(inside(transcription={"keywords": ["y" * 2000]}), session)
    assert "session.audio.input.transcription.keywords" == refused.value.param
    assert ("y" * 2000,) == patched(inside(transcription={"prompt": None, "keywords": ["y" * 2000]}), session).keywords


def test_the_demo_engine_ignores_context_and_other_languages() -> None:
    session = Session(native="qwen3-asr-flash-realtime", language="zh", prompt="Ada", keywords=("Bea",))
    local = msgspec.structs.replace(session, engine="moonshine")
    ignored = frozenset({"transcription.language", "transcription.prompt", "transcription.keywords"})

    assert local.language_code is None
    assert ("", ignored) == (setup(local).context, local.ignored)
    assert frozenset() == session.ignored
    assert "en" == msgspec.structs.replace(local, language="en").language_code
