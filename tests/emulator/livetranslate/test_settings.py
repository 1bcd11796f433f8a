"""Settings of a LiveTranslate session: the session object, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from compat.emulator.live_settings import TranslationReadings
from tests.emulator.livetranslate.talk import FLAT, NESTED, OLDEST, Talk, audio, of, said, settings
from tests.emulator.realtime.talk import COMMIT, FINISH, Event, appended, decoded, frames, silence, spoken

UPDATE = "session.update"
IMAGE: Event = {"type": "input_image_buffer.append", "image": "aGVsbG8="}
RESPOND: Event = {"type": "response.create", "response": {}}
SKIP = {"same_language_skip_options": {"skip_text": True, "skip_audio": True}}


def test_flat_settings_are_shown_flat() -> None:
    phrases = {"amber": "river"}
    talk = Talk(
        FLAT,
        {
            "modalities": ["text"],
            "voice": None,
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
            "sample_rate": 16_000,
            "input_audio_transcription": {"model": "qwen3-asr-flash-realtime", "language": "en"},
            "translation": {"language": "yue", "corpus": {"phrases": phrases}},
            "turn_detection": {"type": "server_vad", "threshold": 0.1, "silence_duration_ms": 400},
            "enable_voice_clone": True,
            **SKIP,
        },
    )

    assert talk.updated["session"] == {
        "id": "sess_1",
        "object": "realtime.session",
        "model": FLAT,
        "modalities": ["text"],
        "voice": "Cherry",
        "input_audio_format": "pcm",
        "output_audio_format": "pcm",
        "sample_rate": 16_000,
        "input_audio_transcription": {"model": "qwen3-asr-flash-realtime", "language": "en"},
        "translation": {"language": "yue", "corpus": {"phrases": phrases}},
        "turn_detection": {"type": "server_vad", "threshold": 0.1, "silence_duration_ms": 400},
        "enable_voice_clone": True,
        **SKIP,
    }
    assert decoded(talk.record.configuration) == talk.updated["session"]


def test_nested_settings_are_shown_nested() -> None:
    detection = {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 1_000}
    session = {
        "output_modalities": ["text", "audio"],
        "audio": {
            "input": {"format": {"type": "pcm", "sample_rate": 16_000}, "turn_detection": detection},
            "output": {"format": {"type": "pcm", "sample_rate": 24_000}, "voice": "Tina"},
        },
        "translation": {"language": "fr"},
    }

    assert Talk(NESTED, session).updated["session"] == {
        "id": "sess_1",
        "object": "realtime.session",
        "model": NESTED,
        **session,
    }


def test_fields_missing_in_an_update_stay() -> None:
    talk = Talk(NESTED, settings(NESTED, "ja", audio=True))

    (updated,) = talk.say({"type": UPDATE, "session": {"audio": {"input": {"turn_detection": None}}}})

    session = updated["session"]
    assert session["translation"] == {"language": "ja"}
    assert session["audio"]["output"]["voice"] == "Tina"
    assert session["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize(
    ("model", "transcription", "asked"),
    [
        (FLAT, {}, False),
        (FLAT, {"input_audio_transcription": None}, False),
        (FLAT, {"input_audio_transcription": {"model": None}}, False),
        (FLAT, {"input_audio_transcription": {"model": "qwen3-asr-flash-realtime"}}, True),
        (NESTED, {}, True),
        (NESTED, {"input_audio_transcription": {"language": "en"}}, True),
    ],
)
def test_the_record_says_whether_the_source_is_transcribed(model: str, transcription: Event, asked: bool) -> None:
    assert Talk(model, settings(model, transcript=False) | transcription).record.transcribed is asked


@pytest.mark.parametrize(
    ("model", "session", "param", "words"),
    [
        (FLAT, {"modalities": ["audio"]}, "modalities", "Supported combinations are: ['text'] and ['audio', 'text']."),
        (NESTED, {"output_modalities": ["audio"]}, "output_modalities", "Invalid modalities: ['audio']"),
        (FLAT, {"translation": {"language": "xx"}}, "translation.language", "Unsupported target language: xx"),
        (FLAT, {"translation": {"language": "yue"}}, "translation.language", "No audio is available in language yue"),
        (NESTED, {"translation": {"language": "uk"}}, "translation.language", "No audio is available in language uk"),
        (OLDEST, {"translation": {"language": "vi"}}, "translation.language", "No audio is available in language vi"),
        (OLDEST, {"translation": {"language": "sv"}}, "translation.language", "Unsupported target language: sv"),
        (FLAT, {"sample_rate": 8_000}, "input_audio_format", "pcm at 16000 Hz"),
        (FLAT, {"input_audio_format": "opus"}, "input_audio_format", "pcm at 16000 Hz"),
        (FLAT, {"output_audio_format": "mp3"}, "output_audio_format", "pcm at 24000 Hz"),
        (NESTED, {"audio": {"input": {"format": {"sample_rate": 24_000}}}}, "audio.input.format", "16000"),
        (NESTED, {"audio": {"output": {"format": {"sample_rate": 16_000}}}}, "audio.output.format", "24000"),
        (FLAT, {"turn_detection": {"silence_duration_ms": 100}}, "turn_detection.silence_duration_ms", "[200, 6000]"),
        (FLAT, {"turn_detection": {"type": "speaker_detection"}}, "turn_detection.type", "speaker_detection"),
        (
            NESTED,
            {"audio": {"input": {"turn_detection": {"threshold": 2}}}},
            "audio.input.turn_detection.threshold",
            "[-1, 1]",
        ),
        (NESTED, {"input_audio_transcription": None}, "input_audio_transcription", "cannot be disabled"),
        (NESTED, {"input_audio_transcription": {"model": None}}, "input_audio_transcription", "cannot be disabled"),
        (NESTED, SKIP, "same_language_skip_options", "not supported"),
        (NESTED, {"translation": {"language": "zh"} | SKIP}, "same_language_skip_options", "not supported"),
        (NESTED, {"translation": {"language": "zh"}}, "audio.output.voice", "default voice is not supported"),
        (NESTED, {"output_modalities": ["text"]}, "audio.output.voice", "default voice is not supported"),
        (
            FLAT,
            {"translation": {"corpus": {"phrases": {f"word{n}": "mot" for n in range(1_001)}}}},
            "translation.corpus.phrases",
            "At most 1000",
        ),
    ],
)
def test_refused_settings(model: str, session: dict[str, Any], param: str, words: str) -> None:
    talk = Talk(model)

    error = talk.refusal({"type": UPDATE, "session": session, "event_id": "event_a"})

    assert (error["param"], error["event_id"]) == (f"session.{param}", "event_a")
    assert words in error["message"]


def test_a_target_with_text_only() -> None:
    talk = Talk(FLAT, settings(FLAT, "yue"))

    events = talk.say(*frames(spoken("amber")), FINISH)

    assert [event["text"] for event in of("response.text.done", events)] == ["[yue] amber"]


def test_audio_needs_a_voice_even_without_an_update() -> None:
    assert Talk(NESTED).refusal(appended(silence(100)))["param"] == "session.audio.output.voice"
    assert Talk(NESTED, readings=TranslationReadings(default_voice=True)).say(appended(silence(100))) == []


def test_settings_are_fixed_once_there_is_audio() -> None:
    talk = Talk(FLAT, settings(FLAT))
    talk.say(appended(silence(100)))

    assert talk.refusal({"type": UPDATE, "session": settings(FLAT, "ja")})["param"] == "session"


def test_settings_that_may_change_apply_from_the_next_turn() -> None:
    talk = Talk(FLAT, settings(FLAT), readings=TranslationReadings(fixed_configuration=False))

    events = talk.say(*frames(spoken("amber")), {"type": UPDATE, "session": settings(FLAT, "ja")})
    events += talk.say(*frames(spoken("basil")), FINISH)

    assert [event["text"] for event in of("response.text.done", events)] == ["[zh] amber", "[ja] basil"]


def test_words_of_the_glossary_are_replaced_and_spoken() -> None:
    translation = {"language": "fr", "corpus": {"phrases": {"amber": "river"}}}
    talk = Talk(FLAT, settings(FLAT, audio=True) | {"translation": translation})

    events = talk.say(*frames(spoken("basil", "amber")), FINISH)

    assert [e["transcript"] for e in of("response.audio_transcript.done", events)] == ["[fr] basil river"]
    assert said(audio(events)) == ["basil", "river"]


@pytest.mark.parametrize("model", [OLDEST, FLAT, NESTED])
def test_manual_turns_are_translated(model: str) -> None:
    manual = {"audio": {"input": {"turn_detection": None}}} if model == NESTED else {"turn_detection": None}
    talk = Talk(model, settings(model))
    talk.say({"type": UPDATE, "session": manual})

    events = talk.say(*frames(spoken("amber")), IMAGE, COMMIT, RESPOND, *frames(spoken("basil")), FINISH)

    assert [event["text"] for event in of("response.text.done", events)] == ["[zh] amber", "[zh] basil"]


def test_manual_turns_are_refused_by_a_reading() -> None:
    readings = TranslationReadings(manual=False)
    talk = Talk(OLDEST, settings(OLDEST) | {"turn_detection": None}, readings=readings)
    talk.say(*frames(spoken("amber")))

    assert [talk.refusal(message)["param"] for message in (COMMIT, RESPOND)] == ["type", "type"]
    assert Talk(FLAT, readings=readings).say(RESPOND) == []


@pytest.mark.parametrize(
    "message", [COMMIT, {"type": "input_audio_buffer.clear"}, {"type": "conversation.item.create"}]
)
def test_refused_messages(message: Event) -> None:
    assert Talk(FLAT, settings(FLAT)).refusal(message)["param"] == "type"
