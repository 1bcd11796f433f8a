"""Settings that change during speech apply from the next turn; the current turn is not cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.bridge.stage import (
    BY_HAND,
    DETECTED,
    GERMAN,
    NEW,
    NO_PADDING,
    SECOND,
    SETUP,
    UPDATED,
    Conversation,
    Stage,
    Step,
    append,
    clear,
    commit,
    committed,
    detecting,
    final,
    finished,
    later,
    live,
    lost,
    opened,
    play,
    spoken,
    started,
    stopped,
    text,
    update,
)

SPEAKING: Conversation = [
    (append(1000), ["> audio 32000"]),
    (started("t1", 200), ["< speech_started item_1 200"]),
]
ENDED: Conversation = [
    (stopped("t1", 1800), ["< speech_stopped item_1 1800", *NEW, "> finish"]),
    (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 1.6", "close", "open"]),
]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"transcription": {"language": "de"}}, "vad 0.2/500 de"),
        ({"transcription": {"prompt": "Köln"}}, "vad 0.2/500 'Köln'"),
        ({"transcription": {"keywords": ["Köln", "Rhein"]}}, "vad 0.2/500 'Köln, Rhein'"),
        ({"turn_detection": {"threshold": 0.75}}, "vad 0.6/500"),
        ({"turn_detection": {"silence_duration_ms": 900}}, "vad 0.2/900"),
        ({"turn_detection": {"threshold": 1, "create_response": True}}, "vad 1.0/500"),
    ],
)
def test_new_settings_apply_from_the_next_turn(said: dict[str, Any], expected: str) -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (update(**said), UPDATED),
            (append(1000), ["> audio 32000"]),
            (text("t1", "h", "i"), ["< delta item_1 'h'"]),
            ENDED[0],
            (append(500), []),
            (started("t2", 2100), []),
            (committed("t1"), []),
            (text("t2", "", "b"), []),
            (final("t2", "bye"), []),
            (final("t1", "hi"), ["< delta item_1 'i'", "< completed item_1 'hi' 1.6", "close", "open"]),
            (opened, [f"> setup pcm/16000 {expected}", "> audio 6400", "> audio 16000"]),
            (started("n1", 300), ["< speech_started item_2 2100"]),
        ],
    )


def test_a_turn_can_get_its_result_at_the_end_of_the_session() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (GERMAN, UPDATED),
            (append(1500), ["> audio 32000", "> audio 16000"]),
            ENDED[0],
            (committed("t1"), []),
            (append(500), []),
            (text("t1", "h", "i"), ["< delta item_1 'h'"]),
            (finished, ["< delta item_1 'i'", "< completed item_1 'hi' 1.6", "close", "open"]),
            (opened, [f"{SETUP} de", "> audio 6400", "> audio 16000", "> audio 16000"]),
            (started("n1", 0), ["< speech_started item_2 1800"]),
        ],
    )


def test_a_new_model_is_used_from_the_next_turn() -> None:
    model = "qwen3-asr-flash-realtime-2026-02-10"
    play(
        detecting(),
        [
            *SPEAKING,
            (update(transcription={"model": model}), UPDATED),
            (append(1000), ["> audio 32000"]),
            ENDED[0],
            (ENDED[1][0], [*ENDED[1][1][:-1], f"open {model}"]),
        ],
    )


def test_repeated_settings_need_no_new_session() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            *[(update(turn_detection=NO_PADDING, transcription={"language": None}), UPDATED)] * 3,
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 1800), ["< speech_stopped item_1 1800", *NEW]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 1.6"]),
        ],
    )


def test_only_the_last_of_several_updates_needs_a_new_session() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (GERMAN, UPDATED),
            (update(transcription={"language": "fr"}), UPDATED),
            (append(1000), ["> audio 32000"]),
            *ENDED,
            (opened, [f"{SETUP} fr", "> audio 6400"]),
        ],
    )


def test_reverted_settings_need_no_new_session() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (GERMAN, UPDATED),
            (update(transcription={"language": None}), UPDATED),
            (later(5.0), []),
            (append(100), ["> audio 3200"]),
        ],
    )


def test_a_turn_that_begins_after_an_update_has_its_settings() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (GERMAN, UPDATED),
            (append(1000), ["> audio 32000"]),
            (started("t1", 1200), ["close", "open"]),
            (opened, [f"{SETUP} de", "> audio 32000", "> audio 32000"]),
            (started("n1", 1200), ["< speech_started item_1 1200"]),
        ],
    )


@pytest.mark.parametrize(
    ("stage", "said", "expected", "item"),
    [(detecting, GERMAN, f"{SETUP} de", "item_1"), (live, DETECTED, SETUP, "item_2")],
    ids=["detected", "by hand"],
)
def test_settings_apply_soon_during_silence(stage: Callable[[], Stage], said: Step, expected: str, item: str) -> None:
    play(
        stage(),
        [
            (append(1000), ["> audio 32000"]),
            (said, UPDATED),
            (later(1.4), []),
            (later(0.2), ["close", "open"]),
            (opened, [expected, "> audio 32000"]),
            (started("n1", 900), [f"< speech_started {item} 900"]),
        ],
    )


def test_a_turn_that_began_before_an_update_and_is_reported_after_it_is_not_cut() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (GERMAN, UPDATED),
            (later(0.3), []),
            (started("t1", 900), ["< speech_started item_1 900"]),
            (later(5.0), []),
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 1800), ["< speech_stopped item_1 1800", *NEW, "> finish"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.9", "close", "open"]),
            (opened, [f"{SETUP} de", "> audio 6400"]),
        ],
    )


def test_unprocessed_audio_keeps_the_settings_at_its_time() -> None:
    """Two turns, an update and a third turn are sent before the service reports any turn."""
    play(
        detecting(),
        [
            (append(4000), ["> audio 32000"] * 4),
            (GERMAN, UPDATED),
            (append(2000), ["> audio 32000"] * 2),
            *spoken("t1", "item_1", "one", None, 500, 1500),
            *spoken("t2", "item_2", "two", "item_1", 2500, 3500),
            (started("t3", 4500), ["close", "open"]),
            (opened, [f"{SETUP} de", "> audio 16000", "> audio 32000", "> audio 32000"]),
            (started("n3", 1000), ["< speech_started item_3 4500"]),
        ],
    )


def test_each_unprocessed_turn_has_the_settings_at_its_time() -> None:
    play(
        detecting(),
        [
            (append(2000), ["> audio 32000"] * 2),
            (GERMAN, UPDATED),
            (append(2000), ["> audio 32000"] * 2),
            (update(transcription={"language": "fr"}), UPDATED),
            (append(2000), ["> audio 32000"] * 2),
            *spoken("t1", "item_1", "one", None, 500, 1500),
            (started("t2", 2500), ["close", "open"]),
            (opened, [f"{SETUP} de", "> audio 16000", *["> audio 32000"] * 4]),
            (started("n1", 1000), ["< speech_started item_2 2500"]),
            (stopped("n1", 2000), ["< speech_stopped item_2 3500", *SECOND]),
            (final("n1", "zwei"), ["< delta item_2 'zwei'", "< completed item_2 'zwei' 1.0"]),
            (started("n2", 3000), ["close", "open"]),
            (opened, [f"{SETUP} fr", "> audio 16000", "> audio 32000", "> audio 32000"]),
        ],
    )


def test_a_commit_ends_the_turn_and_applies_the_settings() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (GERMAN, UPDATED),
            (commit, ["> finish"]),
            (append(500), []),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.8"],
            ),
            (finished, ["close", "open"]),
            (opened, [f"{SETUP} de", "> audio 16000"]),
        ],
    )


def test_a_clear_ends_the_turn_and_applies_the_settings() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (GERMAN, UPDATED),
            (clear, ["< speech_stopped item_1 1000", "< cleared", "> finish"]),
            (append(500), []),
            (finished, ["close", "open"]),
            (opened, [f"{SETUP} de", "> audio 16000"]),
        ],
    )


def test_pending_settings_survive_a_lost_connection() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (GERMAN, UPDATED),
            (append(1000), ["> audio 32000"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000", "> audio 32000"]),
            (started("n1", 200), []),
            (stopped("n1", 1800), ["< speech_stopped item_1 1800", *NEW, "> finish"]),
            (final("n1", "hi"), ENDED[1][1]),
            (opened, [f"{SETUP} de", "> audio 6400"]),
        ],
    )


@pytest.mark.parametrize(
    "change", [{"format": {"type": "audio/pcmu"}}, {"transcription": {"model": "paraformer-realtime-8k-v2"}}]
)
def test_a_new_format_ends_the_turn(change: dict[str, Any]) -> None:
    play(
        detecting(),
        [*SPEAKING, (update(**change), [*UPDATED, "> finish"])],
    )


# --- from detected turns to manual turns ---


def test_manual_turns_begin_after_the_current_detected_turn() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (BY_HAND, UPDATED),
            (append(1000), ["> audio 32000"]),
            *ENDED,
            (append(1000), []),
            (opened, ["> setup pcm/16000 manual", "> audio 6400", "> audio 32000"]),
            (commit, [*SECOND, "> commit"]),
            (final("n1", "ho"), ["< delta item_2 'ho'", "< completed item_2 'ho' 1.2"]),
        ],
    )


def test_a_commit_ends_the_current_detected_turn() -> None:
    play(
        detecting(),
        [
            *SPEAKING,
            (BY_HAND, UPDATED),
            (append(1000), ["> audio 32000"]),
            (commit, ["> finish"]),
            (append(1000), []),
            (commit, []),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 2000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 1.8"],
            ),
            (finished, ["close", *SECOND, "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
        ],
    )


def test_in_silence_a_manual_turn_begins_with_audio_that_may_be_speech() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (BY_HAND, UPDATED),
            (append(500), ["> audio 16000"]),
            (later(1.6), ["close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> audio 16000"]),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> commit"]),
            (final("n1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 2.0"]),
        ],
    )
