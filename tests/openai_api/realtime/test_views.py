from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.beta.realtime import Session as BetaSession
from openai.types.realtime import RealtimeSessionCreateResponse, RealtimeTranscriptionSessionCreateResponse

from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.session import AudioFormat, Session, Vad
from compat.openai_api.realtime.views import Applied, view

SESSION = Session(model="whisper-1", native="qwen", language="en", prompt="p", turns=Vad(threshold=0.4))


def seen(session: Session, opening: Opening) -> dict[str, Any]:
    shown = view(session, opening, "sess_1", 1_800_000_000, Applied(model="qwen", threshold=-0.04))
    return msgspec.json.decode(msgspec.json.encode(shown), type=dict[str, Any])


def test_the_ga_transcription_session() -> None:
    shown = seen(SESSION, Opening())

    RealtimeTranscriptionSessionCreateResponse.model_validate(shown)
    assert {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": {"model": "whisper-1", "language": "en", "prompt": "p"},
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.4,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
    } == shown["audio"]["input"]
    assert ("transcription", "realtime.transcription_session") == (shown["type"], shown["object"])
    assert -0.04 == shown["dashscope"]["threshold"]


def test_the_ga_realtime_session() -> None:
    session = msgspec.structs.replace(SESSION, transcription=False, voice_model="gpt-realtime")
    shown = seen(session, Opening(transcription=False))

    RealtimeSessionCreateResponse.model_validate(shown)
    assert ("realtime", "gpt-realtime", ["text"]) == (shown["type"], shown["model"], shown["output_modalities"])


def test_the_beta_sessions() -> None:
    flat = seen(SESSION, Opening(dialect="beta"))
    assert "pcm16" == flat["input_audio_format"]
    assert "whisper-1" == flat["input_audio_transcription"]["model"]
    assert "model" not in flat

    talking = msgspec.structs.replace(SESSION, transcription=False, voice_model="gpt-4o-realtime-preview")
    shown = seen(talking, Opening(dialect="beta", transcription=False))
    BetaSession.model_validate(shown)
    assert "gpt-4o-realtime-preview" == shown["model"]


@pytest.mark.parametrize(
    ("form", "ga", "beta"),
    [
        (AudioFormat("pcm", 16000), {"type": "audio/pcm", "rate": 16000}, "pcm16"),
        (AudioFormat("ulaw", 8000), {"type": "audio/pcmu"}, "g711_ulaw"),
        (AudioFormat("alaw", 8000), {"type": "audio/pcma"}, "g711_alaw"),
        (AudioFormat("opus", 16000), {"type": "audio/opus"}, "opus"),
    ],
)
def test_the_names_of_audio_formats(form: AudioFormat, ga: dict[str, Any], beta: str) -> None:
    session = msgspec.structs.replace(SESSION, format=form)

    assert ga == seen(session, Opening())["audio"]["input"]["format"]
    assert beta == seen(session, Opening(dialect="beta"))["input_audio_format"]


@pytest.mark.parametrize(
    ("vad", "shown"), [(None, None), (Vad(eagerness="high"), {"type": "semantic_vad", "eagerness": "high"})]
)
def test_turn_detection_in_the_session_object(vad: Vad | None, shown: dict[str, Any] | None) -> None:
    session = msgspec.structs.replace(SESSION, turns=vad)

    assert shown == seen(session, Opening())["audio"]["input"]["turn_detection"]
