"""Configuration of a session that translates: updates, refusals, and the session object."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from compat.catalogue import translators
from compat.errors import BadRequest
from compat.openai_api.translations.client_events import TranslationUpdate, decode
from compat.openai_api.translations.session import TranslationPatch, TranslationSession, apply, view

OLDEST, FLAT, NESTED, TEXT_ONLY = (
    "qwen3-livetranslate-flash-realtime",
    "qwen3.5-livetranslate-flash-realtime",
    "qwen3.8-livetranslate-flash-realtime",
    "qwen-mt-flash",
)


def patch(session: dict[str, Any]) -> TranslationPatch:
    event = decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(event, TranslationUpdate)
    return event.session


def session(*updates: dict[str, Any], model: str = FLAT, **fields: Any) -> TranslationSession:  # noqa: ANN401
    begun = TranslationSession(model="gpt-realtime-translate", native=model, **fields)
    for update in updates:
        begun = apply(begun, patch(update))
    return begun


def shown(changed: TranslationSession) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view(changed, "sess_1", 5)))
    return built


def sent(**fields: object) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def to(language: str | None) -> dict[str, Any]:
    return {"audio": {"output": {"language": language}}}


def extended(**fields: object) -> dict[str, Any]:
    return {"dashscope": fields}


def test_the_initial_session() -> None:
    assert shown(session()) == {
        "id": "sess_1",
        "type": "translation",
        "model": "gpt-realtime-translate",
        "expires_at": 5,
        "audio": {"input": {"transcription": None, "noise_reduction": None}, "output": {"language": "en"}},
        "dashscope": {
            "model": FLAT,
            "language": "en",
            "output_modalities": ["text", "audio"],
            "voice": "Tina",
            "ignored": [],
        },
    }


@pytest.mark.parametrize(
    ("updates", "path", "value"),
    [
        ([to("es")], "audio.output.language", "es"),
        ([to("Spanish")], "dashscope.language", "es"),
        ([to("pt-BR")], "dashscope.language", "pt"),
        ([to("no")], "dashscope.language", "nb"),
        ([to("es"), {}], "audio.output.language", "es"),
        ([to("es"), to(None)], "audio.output.language", "en"),
        ([sent(transcription={"model": "whisper-1"})], "audio.input.transcription", {"model": "whisper-1"}),
        ([sent(transcription={"model": "any", "language": "de"})], "audio.input.transcription.language", "de"),
        ([sent(transcription={"model": "any"}), {}], "audio.input.transcription", {"model": "any"}),
        ([sent(transcription={"model": "any"}), sent(transcription=None)], "audio.input.transcription", None),
        (
            [sent(transcription={"model": "any"}), sent(transcription={"language": "de"})],
            "audio.input.transcription",
            {"model": "any", "language": "de"},
        ),
        (
            [sent(transcription={"model": "any", "language": "de"}), sent(transcription={"language": None})],
            "audio.input.transcription",
            {"model": "any"},
        ),
        ([sent(noise_reduction={"type": "near_field"})], "audio.input.noise_reduction", {"type": "near_field"}),
        ([sent(noise_reduction={"type": "near_field"})], "dashscope.ignored", ["noise_reduction"]),
        (
            [
                sent(noise_reduction={"type": "near_field", "strength": 0.5}),
                sent(noise_reduction={"type": "far_field"}),
            ],
            "audio.input.noise_reduction",
            {"type": "far_field", "strength": 0.5},
        ),
        ([sent(noise_reduction={"type": "far_field"}), sent(noise_reduction=None)], "dashscope.ignored", []),
        ([extended(output_modalities=["text"])], "dashscope.output_modalities", ["text"]),
        ([extended(output_modalities=["text"])], "dashscope.voice", "absent"),
        ([extended(output_modalities=["text"], voice="Ethan")], "dashscope.ignored", ["dashscope.voice"]),
        ([extended(output_modalities=["text"]), extended(output_modalities=None)], "dashscope.voice", "Tina"),
        ([extended(voice="Ethan")], "dashscope.voice", "Ethan"),
        ([extended(voice="Ethan"), extended(voice=None)], "dashscope.voice", "Tina"),
        ([extended(phrases={"a": "b"})], "dashscope.phrases", {"a": "b"}),
        ([extended(phrases={"a": "b"}), extended(phrases=None)], "dashscope.phrases", "absent"),
        ([to("yue")], "dashscope.output_modalities", ["text"]),
        ([sent(format={"type": "audio/pcm", "rate": 24000})], "dashscope.ignored", []),
        ([sent(format="pcm16")], "dashscope.ignored", []),
        ([{"model": "gpt-realtime-translate"}], "model", "gpt-realtime-translate"),
        ([{"type": "translation", "model": FLAT}], "model", "gpt-realtime-translate"),
        ([{"instructions": "be brief", "tools": []}], "dashscope.ignored", ["instructions"]),
        ([sent(turn_detection={"type": "server_vad"})], "dashscope.ignored", ["turn_detection"]),
        ([sent(transcription={"model": "any", "prompt": "p"})], "dashscope.ignored", ["transcription.prompt"]),
        ([{"audio": {"output": {"voice": "alloy", "speed": 1}}}], "dashscope.ignored",
         ["audio.output.speed", "audio.output.voice"]),
        ([extended(later=1)], "dashscope.ignored", ["dashscope.later"]),
        ([{"instructions": "be brief"}, {"instructions": None}], "dashscope.ignored", []),
        ([{"instructions": "be brief"}, to("es")], "dashscope.ignored", ["instructions"]),
    ],
)  # fmt: skip
def test_an_update(updates: list[dict[str, Any]], path: str, value: object) -> None:
    found: Any = shown(session(*updates))
    for name in path.split("."):
        found = found.get(name, "absent")
    assert found == value


@pytest.mark.parametrize(
    ("model", "update", "ignored"),
    [
        (OLDEST, sent(transcription={"model": "any", "language": "zh"}), []),
        (NESTED, sent(transcription={"model": "any", "language": "zh"}), ["transcription.language"]),
        (TEXT_ONLY, extended(voice="Ethan", phrases={"a": "b"}), ["dashscope.voice"]),
        (TEXT_ONLY, sent(transcription={"model": "any", "language": "de"}), []),
        (TEXT_ONLY, sent(transcription={"model": "any", "language": "am"}), ["transcription.language"]),
    ],
)
def test_fields_that_a_model_does_not_take_are_ignored(model: str, update: dict[str, Any], ignored: list[str]) -> None:
    assert shown(session(update, model=model))["dashscope"]["ignored"] == ignored


@pytest.mark.parametrize(
    ("model", "language", "modalities"),
    [
        (FLAT, "fa", ["text", "audio"]),
        (OLDEST, "fr", ["text", "audio"]),
        (OLDEST, "th", ["text"]),
        (NESTED, "uk", ["text"]),
        (TEXT_ONLY, "fr", ["text"]),
    ],
)
def test_a_language_may_have_no_voice(model: str, language: str, modalities: list[str]) -> None:
    assert shown(session(to(language), model=model))["dashscope"]["output_modalities"] == modalities


def test_the_operator_may_want_text_only() -> None:
    assert shown(session(may_speak=False))["dashscope"]["output_modalities"] == ["text"]


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"model": "other"}, "session.model"),
        (to("Klingon"), "session.audio.output.language"),
        (to("xx"), "session.audio.output.language"),
        (to("x" * 10_000), "session.audio.output.language"),
        (sent(format="g711_ulaw"), "session.audio.input.format"),
        (sent(format={"type": "audio/pcmu"}), "session.audio.input.format"),
        (sent(format={"type": "audio/pcm", "rate": 16000}), "session.audio.input.format"),
        ({"audio": {"output": {"format": {"rate": 48000}}}}, "session.audio.output.format"),
        (sent(transcription={"model": "any", "language": "Klingon"}), "session.audio.input.transcription.language"),
        (sent(transcription={}), "session.audio.input.transcription.model"),
        (sent(transcription={"model": ""}), "session.audio.input.transcription.model"),
        (sent(transcription={"language": "de"}), "session.audio.input.transcription.model"),
        (sent(noise_reduction={}), "session.audio.input.noise_reduction.type"),
        (sent(noise_reduction={"type": "loud"}), "session.audio.input.noise_reduction.type"),
        (extended(output_modalities=["audio"]), "session.dashscope.output_modalities"),
        (extended(output_modalities=[]), "session.dashscope.output_modalities"),
        (extended(voice=""), "session.dashscope.voice"),
        (extended(voice="v" * 65), "session.dashscope.voice"),
        (extended(phrases={str(number): "x" for number in range(1001)}), "session.dashscope.phrases"),
    ],
)
def test_a_refused_update(update: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        session(update)
    assert refused.value.param == param
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"type": 5}, "session.type"),
        ({"model": 5}, "session.model"),
        ({"audio": []}, "session.audio"),
        (to(5), "session.audio.output.language"),  # type: ignore[arg-type] # a wrong value
        (sent(transcription="whisper-1"), "session.audio.input.transcription"),
        (sent(transcription={"model": 5}), "session.audio.input.transcription.model"),
        (sent(transcription={"model": None}), "session.audio.input.transcription.model"),
        (sent(noise_reduction={"type": "far_field", "strength": "x"}), "session.audio.input.noise_reduction.strength"),
        (sent(format=5), "session.audio.input.format"),
        ({"dashscope": 5}, "session.dashscope"),
        (extended(output_modalities=["video"]), "session.dashscope.output_modalities[0]"),
        (extended(output_modalities="text"), "session.dashscope.output_modalities"),
        (extended(voice=5), "session.dashscope.voice"),
        (extended(phrases=["a"]), "session.dashscope.phrases"),
        (extended(phrases={"a": 5}), "session.dashscope.phrases"),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type(update: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        patch(update)
    assert (refused.value.param or "").startswith(param)


@pytest.mark.parametrize(
    ("model", "language", "code"),
    [
        (TEXT_ONLY, "zh-TW", "zh-tw"),
        (TEXT_ONLY, "Traditional Chinese", "zh-tw"),
        (FLAT, "zh-TW", "zh"),
        (TEXT_ONLY, "nb", "no"),
        (FLAT, "nb", "nb"),
        (TEXT_ONLY, "Cebuano", "ceb"),
        (FLAT, "Cebuano", "ceb"),
        (TEXT_ONLY, "am", None),
    ],
)
def test_the_target_languages_of_a_model(model: str, language: str, code: str | None) -> None:
    assert translators.target(language, translators.find(model)) == code


def test_the_names_of_ignored_fields_are_bounded() -> None:
    changed = session({f"{number}{'x' * 100}": 1 for number in range(500)})
    assert len(changed.ignored) == 64
    assert max(map(len, changed.ignored)) == 64
