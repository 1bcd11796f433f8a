"""Live sessions with the official `dashscope` package, unmodified, in both generations."""

from __future__ import annotations

import base64

import pytest
from dashscope import Client
from dashscope.audio.qwen_omni import MultiModality, OmniRealtimeConversation
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from dashscope.v2.errors import DashScopeError
from dashscope.v2.resources.audio.realtime import RealtimeSession

from compat.emulator import sample, sound
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.tones import Tones
from tests.emulator.realtime.official import Listening, address, pieces
from tests.emulator.realtime.talk import MODEL, Event, kinds, silence, spoken, transcripts
from tests.emulator.running import RunningEmulator, Start

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*"),
    pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning"),
    pytest.mark.usefixtures("direct"),
]
AUDIO = spoken("amber", "basil") + silence(1_000) + spoken("cedar") + silence(1_000)


def conversation(service: RunningEmulator) -> tuple[OmniRealtimeConversation, Listening]:
    listening = Listening()
    talk = OmniRealtimeConversation(model=MODEL, callback=listening, url=address(service), api_key="sk-test")
    talk.connect()
    return talk, listening


def classic(service: RunningEmulator, audio: bytes, *, vad: bool) -> list[Event]:
    talk, listening = conversation(service)
    talk.update_session(
        output_modalities=[MultiModality.TEXT],
        enable_turn_detection=vad,
        turn_detection_type="server_vad",
        turn_detection_threshold=0.0,
        turn_detection_silence_duration_ms=400,
        transcription_params=TranscriptionParams(language="en", sample_rate=16000, input_audio_format="pcm"),
    )
    for piece in pieces(audio):
        talk.append_audio(base64.b64encode(piece).decode())
    if not vad:
        talk.commit()
    talk.end_session(timeout=60)
    talk.close()
    assert talk.get_session_id().startswith("sess_")
    return listening.events


def test_the_classic_conversation_under_vad(start: Start) -> None:
    service = start(engine=Tones())

    events = classic(service, AUDIO, vad=True)

    turn = ["speech_started", "text", "speech_stopped", "committed", "created", "text", "completed"]
    assert kinds(events) == ["created", "updated", *turn, *turn, "finished"]
    assert transcripts(events) == ["amber basil", "cedar"]
    assert service.emulator.live.sessions[0].bytes == len(AUDIO)


def test_the_classic_conversation_by_hand(start: Start) -> None:
    events = classic(start(engine=Tones()), AUDIO, vad=False)

    assert kinds(events) == ["created", "updated", "committed", "created", "text", "completed", "finished"]
    assert transcripts(events) == ["amber basil cedar"]


def test_the_classic_conversation_ends_an_open_turn_with_the_session(start: Start) -> None:
    assert transcripts(classic(start(engine=Tones()), spoken("amber", length_ms=400), vad=True)) == ["amber"]


def test_the_classic_conversation_without_any_speech(start: Start) -> None:
    assert kinds(classic(start(engine=Tones()), silence(500), vad=True)) == ["created", "updated", "finished"]


def test_the_classic_conversation_with_real_speech(start: Start) -> None:
    speech = b"".join(sound.read(sample.path()))[: 9 * 32_000]

    events = classic(start(engine=Moonshine()), speech, vad=True)

    assert "best of times" in " ".join(transcripts(events))
    assert len([event for event in events if event["type"].endswith(".text")]) > 4


def newer(service: RunningEmulator, *, model: str = MODEL) -> RealtimeSession:
    client = Client(api_key="sk-test", base_url=service.url)
    return client.audio.realtime.connect(model=model, ws_url=address(service), timeout=60)


def modern(service: RunningEmulator, audio: bytes, *, vad: bool) -> list[Event]:
    with newer(service) as session:
        session.update_session(
            ["text"],
            enable_turn_detection=vad,
            turn_detection_silence_duration_ms=400,
            input_audio_config={"type": "pcm", "sample_rate": 16_000},
            transcription_params={"language": "en"},
        )
        for piece in pieces(audio):
            session.append_audio(piece)
        if not vad:
            session.commit()
        session.end_session()
        return list(session.events())


@pytest.mark.parametrize(("vad", "heard"), [(True, ["amber basil", "cedar"]), (False, ["amber basil cedar"])])
def test_the_session_of_the_newer_client(start: Start, vad: bool, heard: list[str]) -> None:
    events = modern(start(engine=Tones()), AUDIO, vad=vad)

    assert kinds(events)[:2] == ["created", "updated"]
    assert kinds(events)[-1] == "finished"
    assert transcripts(events) == heard


def test_the_newer_client_goes_on_after_an_error_about_a_message(start: Start) -> None:
    with newer(start(engine=Tones())) as session:
        session.commit()
        session.append_audio(spoken("amber"))
        created = session.recv_event()
        assert created is not None
        assert created["type"] == "session.created"
        with pytest.raises(DashScopeError, match="commit is not allowed"):
            session.recv_event()
        session.end_session()
        assert transcripts(list(session.events())) == ["amber"]


def test_the_newer_client_with_a_wrong_key(start: Start) -> None:
    service = start(keys=frozenset({"sk-other"}))

    with pytest.raises(Exception, match="401"):
        newer(service).connect()


def test_the_newer_client_with_an_unknown_model(start: Start) -> None:
    with newer(start(), model="qwen9") as session:
        assert session.recv_event() is None
