"""Settings that change around turns that the client ends: no turn is cut, and no audio is lost."""

from __future__ import annotations

import pytest

from compat.errors import NotAuthenticated
from tests.bridge.stage import (
    BY_HAND,
    DETECTED,
    GERMAN,
    JOINED,
    NEW,
    SECOND,
    SETUP,
    UPDATED,
    Conversation,
    Stage,
    append,
    by_hand,
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
    ready,
    shutdown,
    spoken,
    start,
    started,
    stopped,
    text,
    update,
)


def test_new_settings_wait_for_the_commit_of_a_manual_turn() -> None:
    play(
        by_hand(),
        [
            (append(500), ["> audio 16000"]),
            (GERMAN, ["< session.updated"]),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> commit"]),
            (append(500), []),
            (committed("t1"), ["> finish"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 1.0"]),
            (finished, ["close", "open"]),
            (opened, ["> setup pcm/16000 manual de", "> audio 16000"]),
        ],
    )


def test_settings_that_wait_for_a_commit_set_no_timer() -> None:
    stage = by_hand()
    play(
        stage,
        [
            (append(500), ["> audio 16000"]),
            (GERMAN, ["< session.updated"]),
            (later(60.0), []),
        ],
    )
    assert stage.alarm is None


SWITCHED: Conversation = [
    (append(1000), ["> audio 32000"]),
    (started("t1", 100), ["< speech_started item_1 100"]),
    (update(turn_detection=None), ["< session.updated"]),
    (commit, ["> finish"]),
    (append(1000), []),
    (commit, []),
]
ONE = ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'one'", "< completed item_1 'one' 0.9"]


def test_a_manual_turn_is_committed_after_the_detected_turns_before_it() -> None:
    play(
        detecting(),
        [
            *SWITCHED,
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000", "> finish"]),
            (started("n1", 100), []),
            (final("n1", "one"), ONE),
            (finished, ["close", *SECOND, "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
            (final("m1", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 1.0"]),
        ],
    )


def test_a_clear_is_answered_after_a_waiting_manual_turn() -> None:
    play(
        detecting(),
        [
            *SWITCHED,
            (append(500), []),
            (clear, []),
            (final("t1", "one"), ONE),
            (finished, ["close", *SECOND, "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
            (final("m1", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 1.0", "> finish"]),
            (finished, ["close", "< cleared"]),
        ],
    )


def test_a_waiting_manual_turn_fails_with_the_session() -> None:
    play(
        detecting(),
        [
            *SWITCHED,
            (
                lost(NotAuthenticated("no")),
                [
                    "< speech_stopped item_1 1000",
                    *NEW,
                    *SECOND,
                    "< failed item_1 invalid_api_key",
                    "< failed item_2 invalid_api_key",
                    "< error invalid_api_key None None",
                    "hang up 1011",
                ],
            ),
        ],
    )


def test_settings_before_any_audio_need_no_new_session() -> None:
    stage = ready(Stage())

    assert stage.step(update(transcription={"language": "en"})) == ["< session.updated", SETUP + " en"]
    assert stage.step(update(transcription={"language": "en"})) == ["< session.updated"]


def test_the_service_detects_turns_in_uncommitted_audio() -> None:
    play(
        by_hand(),
        [
            (append(500), ["> audio 16000"]),
            (DETECTED, [*UPDATED, "> finish"]),
            (append(1500), []),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000", "> audio 32000", "> audio 16000"]),
            *spoken("t1", "item_2", "hi", None, 100, 1800),
        ],
    )


def test_earlier_commits_are_answered_first() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (append(500), ["> audio 16000"]),
            (DETECTED, [*UPDATED, "> finish"]),
            (final("t1", "one"), ["< delta item_1 'one'", "< completed item_1 'one' 1.0"]),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("n1", 100), ["< speech_started item_3 1100"]),
        ],
    )


def test_unsent_audio_needs_no_new_session() -> None:
    stage = Stage()
    for step in (start, update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=None), append(500)):
        stage.step(step)
    play(stage, [(DETECTED, UPDATED), (append(500), []), (opened, [SETUP, "> audio 16000", "> audio 16000"])])


def test_a_lost_connection_during_the_switch() -> None:
    play(
        by_hand(),
        [
            (append(500), ["> audio 16000"]),
            (DETECTED, [*UPDATED, "> finish"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("n1", 100), ["< speech_started item_2 100"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 16000"]),
        ],
    )


@pytest.mark.parametrize(
    "ends",
    [
        [(commit, []), (finished, ["close", "open"]), (opened, [SETUP, "> audio 16000", "> finish"])],
        [(clear, ["< cleared"]), (finished, ["close"])],
        [(shutdown(10), []), (finished, ["close", "open"]), (opened, [SETUP, "> audio 16000"])],
    ],
    ids=["commit", "clear", "the end"],
)
def test_a_dropped_manual_turn_can_still_be_ended(ends: Conversation) -> None:
    play(by_hand(), [(append(500), ["> audio 16000"]), (DETECTED, [*UPDATED, "> finish"]), *ends])


def test_pieces_cut_off_a_long_turn_remain_an_item() -> None:
    stage = by_hand()
    for _ in range(57):
        stage.step(append(1000))
    play(
        stage,
        [
            (final("t1", "one"), ["> audio 320"]),
            (DETECTED, [*UPDATED, *NEW, "< delta item_1 'one'", "< completed item_1 'one' 56.99", "> finish"]),
            (append(500), []),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 320", "> audio 16000"]),
            (started("n1", 100), ["< speech_started item_2 57090"]),
        ],
    )


# --- turns with deltas while they are open ---

SPEAKING: Conversation = [
    (append(1000), ["> audio 32000"]),
    (started("t1", 100), []),
    (text("t1", "one", " two"), ["< delta item_1 'one'"]),
    (DETECTED, UPDATED),
    (append(1000), ["> audio 32000"]),
]


def test_a_joined_turn_ends_with_its_current_sentence() -> None:
    play(
        live(),
        [
            *SPEAKING,
            (stopped("t1", 1500), ["> finish"]),
            (
                final("t1", "one two"),
                ["< delta item_1 ' two'", "close", "open", *NEW, "< completed item_1 'one two' 1.5"],
            ),
            (opened, [SETUP, "> audio 16000"]),
            (started("n1", 200), ["< speech_started item_2 1700"]),
        ],
    )


def test_a_sentence_that_begins_after_an_update_is_a_turn() -> None:
    play(
        live(),
        [
            (append(2000), ["> audio 32000"] * 2),
            (started("t1", 100), []),
            (stopped("t1", 900), []),
            (final("t1", "one"), ["< delta item_1 'one'"]),
            (DETECTED, UPDATED),
            (append(1000), ["> audio 32000"]),
            (started("t2", 2300), ["close", "open", *NEW, "< completed item_1 'one' 0.9"]),
            (opened, [SETUP, "> audio 3200", "> audio 32000", "> audio 32000"]),
            (started("n1", 1400), ["< speech_started item_2 2300"]),
        ],
    )


def test_the_client_can_end_a_joined_turn_within_a_sentence() -> None:
    play(
        live(),
        [
            *SPEAKING,
            (commit, [*NEW, "> finish"]),
            (append(500), []),
            (final("t1", "one two"), ["< delta item_1 ' two'"]),
            (finished, ["close", "< completed item_1 'one two' 2.0", "open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("n1", 100), ["< speech_started item_2 2100"]),
        ],
    )


def test_settings_that_are_reverted_at_once_continue_the_turn() -> None:
    play(
        live(),
        [
            *SPEAKING[:-1],
            (BY_HAND, UPDATED),
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 1500), ["> finish"]),
            (final("t1", "one two"), ["< delta item_1 ' two'", "close", "open"]),
            (opened, [JOINED, "> audio 16000"]),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> finish"]),
            (finished, ["close", "< completed item_1 'one two' 2.5"]),
        ],
    )


def test_a_sentence_that_ended_during_turn_detection_is_a_turn() -> None:
    play(
        live(),
        [
            *SPEAKING,
            (BY_HAND, UPDATED),
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 1500), ["> finish"]),
            (
                final("t1", "one two"),
                ["< delta item_1 ' two'", "close", "open", *NEW, "< completed item_1 'one two' 1.5"],
            ),
            (opened, [SETUP, "> audio 16000", "> audio 32000"]),
            (started("n1", 1000), ["close", "open"]),
            (opened, [JOINED, "> audio 16000", "> audio 32000"]),
            (commit, [*SECOND, "> finish"]),
        ],
    )
