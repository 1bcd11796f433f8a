"""Whole sessions: openings, ends, refusals."""

from __future__ import annotations

import pytest

from compat.bridge.limits import SessionLimits
from compat.openai_api.realtime.opening import Opening
from tests.bridge.stage import (
    NEW,
    PCM_16K,
    SETUP,
    Conversation,
    Stage,
    append,
    by_hand,
    closed,
    commit,
    committed,
    created,
    detecting,
    final,
    finished,
    later,
    opened,
    play,
    ready,
    refusal,
    shutdown,
    start,
    started,
    stopped,
    text,
    update,
)

VAD: Conversation = [
    (start, ["< session.created", "open"]),
    (update(format=PCM_16K), ["< session.updated"]),
    (append(100), []),
    (opened, ["> setup pcm/16000 vad 0.2/500", "> audio 3200"]),
    (created, []),
    (append(900), ["> audio 28800"]),
    (started("t1", 400), ["< speech_started item_1 100"]),
    (text("t1", "", "wel"), []),
    (text("t1", "wel", "come"), ["< delta item_1 'wel'"]),
    (stopped("t1", 900), ["< speech_stopped item_1 900", *NEW]),
    (committed("t1"), []),
    (final("t1", "welcome."), ["< delta item_1 'come.'", "< completed item_1 'welcome.' 0.5"]),
]

MANUAL: Conversation = [
    (start, ["< session.created", "open"]),
    (update(format=PCM_16K, turn_detection=None), ["< session.updated"]),
    (opened, ["> setup pcm/16000 manual"]),
    (append(500), ["> audio 16000"]),
    (append(500), ["> audio 16000"]),
    (commit, ["< committed item_1 after None", "< item.added item_1", "< item.done item_1", "> commit"]),
    (committed("t1"), []),
    (text("t1", "wel", "come"), ["< delta item_1 'wel'"]),
    (final("t1", "welcome."), ["< delta item_1 'come.'", "< completed item_1 'welcome.' 1.0"]),
    (append(500), ["> audio 16000"]),
    (commit, ["< committed item_2 after item_1", "< item.added item_2", "< item.done item_2", "> commit"]),
    (final("t2", "again"), ["< delta item_2 'again'", "< completed item_2 'again' 0.5"]),
]


@pytest.mark.parametrize("conversation", [VAD, MANUAL], ids=["vad", "manual"])
def test_a_turn_is_transcribed(conversation: Conversation) -> None:
    play(Stage(), conversation)


def test_beta_clients_get_beta_event_names() -> None:
    play(
        Stage(Opening(dialect="beta")),
        [
            (start, ["< transcription_session.created", "open"]),
            (update(format=PCM_16K), ["< transcription_session.updated"]),
            (opened, ["> setup pcm/16000 vad 0.2/500"]),
            (append(500), ["> audio 16000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (
                final("t1", "hi"),
                [
                    "< speech_stopped item_1 500",
                    "< committed item_1 after None",
                    "< item.created item_1",
                    "< delta item_1 'hi'",
                    "< completed item_1 'hi' 0.5",
                ],
            ),
        ],
    )


# --- openings, and what comes before the service is there ---


@pytest.mark.parametrize(
    ("opening", "hello", "settled"),
    [
        (Opening(dialect="ga", transcription=True), "session.created", "session.updated"),
        (Opening(dialect="ga", transcription=False), "session.created", "session.updated"),
        (
            Opening(dialect="beta", transcription=True),
            "transcription_session.created",
            "transcription_session.updated",
        ),
        (Opening(dialect="beta", transcription=False), "session.created", "session.updated"),
    ],
)
def test_created_comes_first_in_the_client_s_dialect(opening: Opening, hello: str, settled: str) -> None:
    play(Stage(opening), [(start, [f"< {hello}", "open"]), (update(format=PCM_16K), [f"< {settled}"])])


def test_sound_waits_in_order_for_the_service() -> None:
    stage = Stage()
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format=PCM_16K, turn_detection=None), ["< session.updated"]),
            (append(b"\1\0" * 1600), []),
            (append(b"\2\0" * 1600), []),
            (commit, NEW),
            (append(b"\3\0" * 1600), []),
            (opened, ["> setup pcm/16000 manual", "> audio 3200", "> audio 3200", "> commit"]),
            (committed("t1"), ["> audio 3200"]),
        ],
    )

    assert b"\1\0" * 1600 + b"\2\0" * 1600 + b"\3\0" * 1600 == stage.sound


def test_the_model_of_the_query() -> None:
    for model, heard in {
        "whisper-1": ["< session.created", "open"],
        "qwen3-asr-flash-realtime-2026-02-10": ["< session.created", "open qwen3-asr-flash-realtime-2026-02-10"],
        "gpt-realtime": ["< session.created", "open"],
        "gpt-4o-realtime-preview": ["< session.created", "open"],
        "no-such": ["< session.created", "< error model_not_found model None", "open"],
    }.items():
        play(Stage(Opening(model=model)), [(start, heard)])


def test_a_model_named_later_moves_to_another_connection() -> None:
    play(
        Stage(),
        [
            (start, ["< session.created", "open"]),
            (
                update(transcription={"model": "qwen3-asr-flash-realtime-2026-02-10"}),
                ["< session.updated", "close", "open qwen3-asr-flash-realtime-2026-02-10"],
            ),
            (update(transcription={"model": "no-such"}), ["< error model_not_found X None".replace("X", PATH_MODEL)]),
        ],
    )


PATH_MODEL = "session.audio.input.transcription.model"


# --- the end ---


def test_the_client_disconnects() -> None:
    stage = ready(Stage())
    play(
        stage,
        [(append(1000), ["> audio 32000"]), (closed, ["> finish"]), (started("t1", 0), []), (finished, ["close"])],
    )
    assert stage.bridge.over

    stage = ready(Stage())
    play(stage, [(append(1000), ["> audio 32000"]), (closed, ["> finish"]), (later(2.0), ["close"])])
    assert stage.bridge.over

    stage = Stage()
    play(stage, [(start, ["< session.created", "open"]), (closed, ["close"])])
    assert stage.bridge.over


def test_the_server_stops() -> None:
    idle = ready(Stage())
    play(idle, [(shutdown(10), ["hang up 1001", "> finish"]), (finished, ["close"])])
    assert idle.bridge.over

    busy = detecting()
    play(
        busy,
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (shutdown(10), []),
            (stopped("t1", 900), ["< speech_stopped item_1 900", *NEW]),
            (
                final("t1", "hi"),
                ["< delta item_1 'hi'", "< completed item_1 'hi' 0.9"],
            ),
            (later(1.5), ["> finish"]),
            (finished, ["close", "hang up 1001"]),
        ],
    )

    late = by_hand()
    play(
        late,
        [
            (append(b"\0\x10" * 16_000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (shutdown(2), []),
            (later(1), ["> finish"]),
            (later(1), ["< failed item_1 service_unavailable", "hang up 1001"]),
            (finished, ["close"]),
        ],
    )


def test_a_session_has_a_maximum_duration() -> None:
    idle = ready(Stage(limits=SessionLimits(longest=60)))
    play(idle, [(later(60), ["< error session_expired None None", "hang up 1001", "> finish"]), (finished, ["close"])])
    assert idle.bridge.over

    busy = ready(Stage(limits=SessionLimits(longest=60, grace=2)), turn_detection=None)
    play(
        busy,
        [
            (later(59.5), []),
            (append(b"\0\x10" * 16_000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (later(0.5), ["> finish"]),
            (later(2), ["< failed item_1 session_expired", "< error session_expired None None", "hang up 1001"]),
            (finished, ["close"]),
        ],
    )


# --- what the service does not take ---


@pytest.mark.parametrize("about", ["setup_1", None])
def test_a_context_that_is_refused_is_left_out(about: str | None) -> None:
    stage = Stage()
    stage.step(start)
    stage.step(update(format=PCM_16K, transcription={"language": "en", "prompt": "Qwen"}))
    play(
        stage,
        [
            (opened, [SETUP + " en 'Qwen'"]),
            (append(1000), ["> audio 32000"]),
            (refusal(about, param="session.input_audio_transcription.corpus"), ["< session.updated", "close", "open"]),
            (opened, [SETUP + " en", "> audio 32000"]),
            (update(transcription={"prompt": "Qwen again"}), ["< session.updated"]),
        ],
    )
    assert ["transcription.prompt"] == stage.frames[-1]["session"]["dashscope"]["ignored"]


def test_a_language_that_is_refused_is_left_out() -> None:
    stage = Stage()
    stage.step(start)
    stage.step(update(transcription={"language": "en"}))
    play(
        stage,
        [
            (opened, [SETUP + " en"]),
            (refusal("setup_1", message="unsupported language"), ["< session.updated", "close", "open"]),
            (opened, [SETUP]),
        ],
    )


def test_settings_that_are_refused_altogether_end_the_session() -> None:
    stage = Stage()
    stage.step(start)
    play(
        stage,
        [
            (opened, [SETUP]),
            (
                refusal("setup_1", code="invalid_value", message="no", param="session.turn_detection"),
                ["< error invalid_value session.turn_detection None", "close", "hang up 1011"],
            ),
        ],
    )


def test_a_refusal_without_a_topic_is_not_reported() -> None:
    play(ready(Stage()), [(refusal(code="invalid_value", message="unknown field"), [])])
