"""Session updates: absent fields stay unchanged; unknown fields and fields without effect are reported."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import AudioFormat, Session, Vad, apply
from compat.openai_api.realtime.views import Applied, view

FULL = Vad(threshold=0.3, prefix_padding_ms=100, silence_duration_ms=900)
LOUD = Vad(threshold=0.8, prefix_padding_ms=100, silence_duration_ms=900)
LOW = Vad(silence_duration_ms=4000, eagerness="low")


def updated(*updates: dict[str, Any], session: Session | None = None) -> Session:
    session = session or Session(native="qwen3-asr-flash-realtime")
    for update in updates:
        patch = msgspec.convert(update, Patch).with_unread(update)
        session = apply(session, patch, lambda _: "qwen3-asr-flash-realtime")
    return session


def turns(**fields: object) -> dict[str, Any]:
    return {"turn_detection": fields}


def inside(**fields: object) -> dict[str, Any]:
    return {"audio": {"input": fields}}


@pytest.mark.parametrize(
    ("before", "sent", "vad"),
    [
        (FULL, turns(type="server_vad", threshold=0.8), LOUD),
        (FULL, turns(threshold=0.8), LOUD),
        (FULL, turns(type="server_vad", create_response=True), FULL),
        (FULL, turns(), FULL),
        (FULL, turns(type=None, silence_duration_ms=None), Vad(threshold=0.3, prefix_padding_ms=100)),
        (FULL, turns(prefix_padding_ms=200.0), Vad(threshold=0.3, prefix_padding_ms=200, silence_duration_ms=900)),
        (FULL, turns(type="semantic_vad"), Vad(silence_duration_ms=1000, eagerness="auto")),
        (FULL, {"turn_detection": None}, None),
        (LOW, turns(type="semantic_vad", interrupt_response=True), LOW),
        (LOW, turns(), LOW),
        (LOW, turns(eagerness=None), Vad(silence_duration_ms=1000, eagerness="auto")),
        (LOW, turns(type="server_vad", threshold=0.8), Vad(threshold=0.8)),
        (None, turns(threshold=0.8), Vad(threshold=0.8)),
        (msgspec.UNSET, turns(threshold=0.8), Vad(threshold=0.8)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("nested", [False, True])
def test_an_update_changes_turn_detection(before: Any, sent: dict[str, Any], vad: Vad | None, nested: bool) -> None:  # noqa: ANN401
    session = Session(native="qwen3-asr-flash-realtime", turns=before)

    assert vad == updated(inside(**sent) if nested else sent, session=session).vad


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        (("pcm", 16000), inside(format={"type": "audio/pcm"}), ("pcm", 16000)),
        (("pcm", 16000), inside(format={}), ("pcm", 16000)),
        (("pcm", 16000), inside(format={"rate": 8000}), ("pcm", 8000)),
        (("pcm", 16000), {"input_audio_format": "pcm16"}, ("pcm", 16000)),
        (("pcm", 16000), inside(format=None), ("pcm", 24000)),
        (("pcm", 16000), inside(format={"type": "audio/pcmu"}), ("ulaw", 8000)),
        (("ulaw", 8000), inside(format={"type": "audio/pcm"}), ("pcm", 24000)),
        (("ulaw", 8000), inside(format={"rate": 8000}), ("ulaw", 8000)),
        (("opus", 16000), {"sample_rate": 8000}, ("opus", 16000)),
    ],
)
def test_an_update_changes_the_format(before: tuple[Any, int], sent: dict[str, Any], after: tuple[Any, int]) -> None:
    session = Session(native="qwen3-asr-flash-realtime", format=AudioFormat(*before))

    assert AudioFormat(*after) == updated(sent, session=session).format


@pytest.mark.parametrize(
    ("updates", "language", "languages", "spoken"),
    [
        ([{"language": "en"}, {"languages": ["ja"]}], None, ("ja",), "ja"),
        ([{"languages": ["ja", "de"]}, {"language": "en"}], "en", (), "en"),
        ([{"language": "en"}, {"prompt": "x"}], "en", (), "en"),
        ([{"language": "en"}, {"languages": []}], "en", (), "en"),
        ([{"language": "en"}, {"languages": None}], "en", (), "en"),
        ([{"languages": ["ja"]}, {"language": None}], None, ("ja",), "ja"),
        ([{"language": "en", "languages": ["en", "ja"]}], "en", ("en", "ja"), "en"),
        ([{"language": "en"}, {"language": None}], None, (), None),
        ([{"language": "en"}, {"language": "Auto"}], None, (), None),
        ([{"language": "auto", "languages": ["ja"]}], None, ("ja",), "ja"),
        ([{"languages": ["multi", "ja"]}], None, ("ja",), "ja"),
        ([{"language": "en-GB", "languages": ["ja", "English"]}], "en-GB", ("ja", "English"), "en"),
    ],
)
def test_the_later_of_language_and_languages_replaces_the_other(
    updates: list[dict[str, Any]], language: str | None, languages: tuple[str, ...], spoken: str | None
) -> None:
    session = updated(*(inside(transcription=update) for update in updates))

    assert (language, languages, spoken) == (session.language, session.languages, session.language_code)


@pytest.mark.parametrize("field", ["format", "transcription", "noise_reduction", "turn_detection"])
@pytest.mark.parametrize("value", [{}, None])
def test_an_update_of_one_field_keeps_the_others(field: str, value: object) -> None:
    before = updated(
        inside(
            format={"type": "audio/pcm", "rate": 16000},
            transcription={"model": "m", "language": "en", "prompt": "p", "keywords": ["k"], "delay": "low"},
            noise_reduction={"type": "near_field"},
            turn_detection={"type": "server_vad", "threshold": 0.1},
        ),
        {"include": ["item.input_audio_transcription.logprobs"], "dashscope": {"live_deltas": True}},
    )
    after = updated(inside(**{field: value}), session=before)

    kept = {"format", "turns", "noise_reduction"} - {{"turn_detection": "turns"}.get(field, field)}
    kept |= {"model", "native", "language", "prompt", "keywords", "delay", "include", "live_deltas"}
    assert {name: getattr(before, name) for name in kept} == {name: getattr(after, name) for name in kept}


@pytest.mark.parametrize(
    ("updates", "ignored"),
    [
        ([turns(type="server_vad", create_response=False, interrupt_response=True, idle_timeout_ms=6000)],
         {"turn_detection.create_response", "turn_detection.interrupt_response", "turn_detection.idle_timeout_ms"}),
        ([inside(turn_detection={"create_response": True})], {"turn_detection.create_response"}),
        ([{"tracing": "auto", "tools": [{"type": "function"}], "instructions": "Be kind."}],
         {"tracing", "tools", "instructions"}),
        ([{"tracing": None, "tools": [], "instructions": "", "output_modalities": ["text"]}], set()),
        ([{"output_modalities": ["audio"], "audio": {"output": {"voice": "alloy"}}}],
         {"output_modalities", "audio.output"}),
        ([{"voice": "alloy", "temperature": 0.8, "zzz": {"deep": 1}}], {"voice", "temperature", "zzz"}),
        ([{"input_audio_transcription": {"zzz": 1}}], {"transcription.zzz"}),
        ([inside(transcription={"zzz": 1}, zzz=1)], {"transcription.zzz", "zzz"}),
        ([{"tools": [1]}, {"tools": []}], set()),
        ([{"tools": [1]}, {"instructions": "x"}], {"tools", "instructions"}),
        ([turns(create_response=True), {"turn_detection": None}], set()),
        ([turns(type="server_vad", eagerness="low")], {"turn_detection.eagerness"}),
        ([turns(eagerness="low")], {"turn_detection.eagerness"}),
        ([turns(type="semantic_vad", threshold=0.4, prefix_padding_ms=1, silence_duration_ms=None)],
         {"turn_detection.threshold", "turn_detection.prefix_padding_ms"}),
        ([turns(type="none", threshold=0.4)], {"turn_detection.threshold"}),
        ([turns(type="server_vad", eagerness="low"), turns(threshold=0.4)], {"turn_detection.eagerness"}),
        ([turns(type="server_vad", eagerness="low"), turns(type="semantic_vad")], set()),
        ([turns(type="server_vad", eagerness="low"), {"turn_detection": None}], set()),
        ([inside(format={"type": "audio/pcmu", "rate": 24000})], {"format.rate"}),
        ([{"input_audio_format": "g711_alaw", "sample_rate": 16000}], {"sample_rate"}),
        ([inside(format={"type": "audio/opus", "rate": 48000})], {"format.rate"}),
        ([inside(format={"type": "audio/pcmu", "rate": 8000})], set()),
        ([inside(format={"type": "audio/pcmu", "rate": 24000}), inside(format={"type": "audio/pcm"})], set()),
        ([{"dashscope": {"foo": 1, "live_deltas": True}}], {"dashscope.foo"}),
        ([{"type": "transcription", "model": "fun-asr-realtime"}], {"model"}),
        ([{"type": "realtime", "model": "gpt-realtime"}], set()),
        ([{"dashscope": {"model": "m", "threshold": 0.2, "silence_duration_ms": 500, "ignored": ["x"]}}], set()),
        ([{"modalities": ["text", "audio"]}], {"modalities"}),
        ([inside(noise_reduction={"type": "far_field"}, transcription={"delay": "low"})],
         {"noise_reduction", "transcription.delay"}),
        ([inside(transcription={"language": "sw"})], {"transcription.language"}),
        ([inside(transcription={"languages": ["en", "de"]})], {"transcription.languages"}),
    ],
)  # fmt: skip
def test_fields_without_effect_are_reported(updates: list[dict[str, Any]], ignored: set[str]) -> None:
    assert ignored == updated(*updates).ignored


def test_the_number_and_length_of_reported_names_are_bounded() -> None:
    session = updated(*({f"{n}{'x' * 200}": 1 for n in range(100 * k, 100 * k + 100)} for k in range(3)))

    assert 64 == len(session.ignored)
    assert {64} == {len(name) for name in session.ignored}


SENT = inside(
    format={"type": "audio/pcm", "rate": 16000},
    transcription={"model": "gpt-live-transcribe", "languages": ["en", "de"], "prompt": "p", "keywords": ["k"]},
    noise_reduction={"type": "near_field"},
    turn_detection={"type": "semantic_vad", "eagerness": "low"},
)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("kind", ["transcription", "realtime"])
@pytest.mark.parametrize("sent", [{}, SENT, {"turn_detection": None, "input_audio_format": "g711_ulaw"}])
def test_a_session_object_sent_back_changes_nothing(dialect: Any, kind: str, sent: dict[str, Any]) -> None:  # noqa: ANN401
    session = updated({"type": kind, **sent})
    seen = view(session, Opening(dialect=dialect), "sess_1", 1, Applied(model="native"))
    again = updated(msgspec.json.decode(msgspec.json.encode(seen)), session=session)
    shown = {"model": session.model or session.native, "native": session.native}

    same = {
        name: getattr(session, name)
        for name in ("format", "vad", "prompt", "keywords", "language_code", "ignored", "live")
    }
    assert same == {name: getattr(again, name) for name in same}
    assert shown == {"model": again.model, "native": again.native}


def test_beta_clients_get_beta_names_of_ignored_fields() -> None:
    ignored = ("format.zzz", "include", "noise_reduction", "transcription.delay", "turn_detection.eagerness")
    named = {
        dialect: view(Session(native="n"), Opening(dialect=dialect), "s", 1, Applied(model="n", ignored=ignored))
        for dialect in ("ga", "beta")
    }

    assert ignored == named["ga"].dashscope.ignored
    assert (
        "include",
        "input_audio_format.zzz",
        "input_audio_noise_reduction",
        "input_audio_transcription.delay",
        "turn_detection.eagerness",
    ) == named["beta"].dashscope.ignored
