"""Live translation with the official `dashscope` package, unmodified, in both generations."""

from __future__ import annotations

import base64
import importlib
import io
import time
import wave

import pytest
from dashscope import Client
from dashscope.audio.qwen_omni import MultiModality
from dashscope.audio.qwen_omni.omni_realtime import (
    OmniRealtimeConversation,
    TranslationParams,
)
from dashscope.v2.errors import APIConnectionError, DashScopeError
from dashscope.v2.resources.audio.realtime import RealtimeSession

from compat.emulator.live_settings import TranslationReadings
from compat.emulator.readings import Readings
from tests.emulator.livetranslate.talk import FLAT, NESTED, OLDEST, audio, of, said
from tests.emulator.realtime.official import Listening, address, pieces
from tests.emulator.realtime.talk import Event, silence, spoken
from tests.emulator.running import RunningEmulator

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*"),
    pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning"),
    pytest.mark.usefixtures("direct"),
]
AUDIO = spoken("amber", "basil", "cedar") + silence(1_000) + spoken("river") + silence(1_000)
EXAMPLE = "dashscope.examples.01_atomic_capabilities.audio.direct_call.realtime_translation"


def session(service: RunningEmulator, model: str) -> RealtimeSession:
    client = Client(api_key="sk-test", base_url=service.url)
    return client.audio.realtime.connect(model=model, ws_url=address(service), timeout=60)


@pytest.mark.parametrize("spoken", [True, False])
@pytest.mark.parametrize("model", [OLDEST, FLAT, NESTED])
def test_the_newer_client(service: RunningEmulator, model: str, spoken: bool) -> None:
    with session(service, model) as live:
        live.update_session(
            ["text", "audio"] if spoken else ["text"],
            voice="Tina",
            input_audio_format="pcm",
            translation_params={"language": "fr"},
            enable_input_audio_transcription=True,
            enable_turn_detection=True,
            turn_detection_silence_duration_ms=400,
        )
        for piece in pieces(AUDIO):
            live.append_audio(piece)
        live.append_video(b"an image")
        live.end_session()
        events = list(live.events())

    assert live.last_first_text_delay is not None
    assert (live.last_first_audio_delay is not None) is spoken
    assert (said(audio(events)) == ["amber", "basil", "cedar", "river"]) is spoken
    kind, member = ("audio_transcript", "transcript") if spoken else ("text", "text")
    assert [e[member] for e in of(f"response.{kind}.done", events)] == ["[fr] amber basil cedar", "[fr] river"]
    detection = service.emulator.live.sessions[0].configuration
    detection = detection["audio"]["input"] if model == NESTED else detection
    assert detection["turn_detection"]["silence_duration_ms"] == 400


def test_the_reader_of_the_packages_example(service: RunningEmulator) -> None:
    """The example sends no voice, which field reports say fails."""
    example = importlib.import_module(EXAMPLE)
    service.emulator.readings = Readings(livetranslate=TranslationReadings(default_voice=True))
    buffer, deadline = io.BytesIO(), time.monotonic() + 60
    with session(service, NESTED) as live, wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(24_000)
        live.update_session(output_modalities=["text", "audio"], translation_params={"language": "en"})
        example.receive_until(live, "session.updated", deadline)
        for piece in pieces(AUDIO):
            live.append_audio(piece)
        live.end_session()
        size = example.receive_until(live, "session.finished", deadline, output)

    assert said(buffer.getvalue()[-size:]) == ["amber", "basil", "cedar", "river"]


def test_the_newer_client_goes_on_after_a_refusal(service: RunningEmulator) -> None:
    with session(service, NESTED) as live:
        live.update_session(["text"], translation_params={"language": "en"})
        assert live.recv_event() is not None
        with pytest.raises(DashScopeError, match="default voice"):
            live.recv_event()
        live.update_session(["text"], voice="Tina")
        live.end_session()
        assert [event["type"] for event in live.events()] == ["session.updated", "session.finished"]


def test_the_newer_client_without_an_acknowledgement(service: RunningEmulator) -> None:
    service.emulator.readings = Readings(livetranslate=TranslationReadings(finished=False))
    with session(service, FLAT) as live:
        live.end_session()
        with pytest.raises(APIConnectionError, match="closed before"):
            list(live.events())


def test_the_classic_conversation(service: RunningEmulator) -> None:
    listening = Listening()
    talk = OmniRealtimeConversation(model=OLDEST, callback=listening, url=address(service), api_key="sk-test")
    talk.connect()
    talk.update_session(
        output_modalities=[MultiModality.TEXT, MultiModality.AUDIO],
        voice="Cherry",
        input_audio_transcription_model="qwen3-asr-flash-realtime",
        turn_detection_silence_duration_ms=400,
        translation_params=TranslationParams(
            language="zh", corpus=TranslationParams.Corpus(phrases={"river": "ocean"})
        ),
    )
    for piece in pieces(AUDIO):
        talk.append_audio(base64.b64encode(piece).decode())
    talk.end_session(timeout=60)
    talk.close()

    events: list[Event] = listening.events
    assert said(audio(events)) == ["amber", "basil", "cedar", "ocean"]
    assert [e["transcript"] for e in of("conversation.item.input_audio_transcription.completed", events)] == [
        "amber basil cedar",
        "river",
    ]
