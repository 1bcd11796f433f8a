"""Settings that change around turns that the caller ends."""

from __future__ import annotations

from compat.errors import NotAuthenticated
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SECOND,
    SETUP,
    Conversation,
    Stage,
    append,
    clear,
    commit,
    committed,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    ready,
    started,
    update,
)


def test_new_settings_wait_for_the_commit_of_a_manual_turn() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
        [
            (append(500), ["> audio 16000"]),
            (update(transcription={"language": "de"}), ["< session.updated"]),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> commit"]),
            (append(500), []),
            (committed("t1"), ["> finish"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 1.0"]),
            (finished, ["close", "open"]),
            (opened, ["> setup pcm/16000 manual de", "> audio 16000"]),
        ],
    )


def test_settings_that_wait_for_a_commit_wake_nobody() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
        [
            (append(500), ["> audio 16000"]),
            (update(transcription={"language": "de"}), ["< session.updated"]),
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
        ready(Stage(), turn_detection=NO_PADDING),
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


def test_clear_after_such_a_turn_is_answered_after_it() -> None:
    play(
        ready(Stage(), turn_detection=NO_PADDING),
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


def test_such_a_turn_fails_with_the_session() -> None:
    play(
        ready(Stage(), turn_detection=NO_PADDING),
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


def test_settings_before_any_sound_need_no_other_session() -> None:
    stage = ready(Stage())

    assert stage.hear(update(transcription={"language": "en"})) == ["< session.updated", SETUP + " en"]
    assert stage.hear(update(transcription={"language": "en"})) == ["< session.updated"]
