"""Commits: each gets one result, for silence too, and however far ahead of the service it comes."""

from __future__ import annotations

import pytest

from tests.bridge.stage import (
    NEW,
    SECOND,
    SETUP,
    Conversation,
    Stage,
    Step,
    append,
    by_hand,
    client,
    commit,
    committed,
    detecting,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    ready,
    refusal,
    spoken,
    started,
    stopped,
    text,
    update,
)


def test_an_empty_commit_is_the_documented_error() -> None:
    stage = by_hand()
    empty = client("input_audio_buffer.commit", event_id="mine")
    play(
        stage,
        [
            (empty, ["< error input_audio_buffer_commit_empty None mine"]),
            (append(99), ["> audio 3168"]),
            (empty, ["< error input_audio_buffer_commit_empty None mine"]),
            (append(1), ["> audio 32"]),
            (empty, [*NEW, "> commit"]),
        ],
    )


@pytest.mark.parametrize(
    "answer",
    [
        [(later(0.4), []), (later(0.2), ["> finish"]), (finished, ["< completed item_1 '' 1.0", "close"])],
        [
            (committed("t1"), []),
            (later(2.9), []),
            (later(0.2), ["> finish"]),
            (finished, ["< completed item_1 '' 1.0", "close"]),
        ],
        [(final("t1", ""), ["< completed item_1 '' 1.0"])],
        [(refusal("commit_1", code="invalid_value"), ["< completed item_1 '' 1.0"])],
        [(refusal(message="Error committing input audio buffer: buffer is empty"), ["< completed item_1 '' 1.0"])],
    ],
    ids=["never", "committed only", "empty", "refused by id", "refused without an id"],
)
def test_a_silent_commit_ends_in_an_empty_item(answer: Conversation) -> None:
    stage = by_hand()
    play(stage, [(append(1000), ["> audio 32000"]), (commit, [*NEW, "> commit"]), *answer])

    heard = stage.step(append(1000))
    assert heard == (["open"] if "close" in answer[-1][1] else ["> audio 32000"])


def test_after_a_silent_commit_the_next_turn_has_a_session_of_its_own() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (append(500), []),
            (commit, SECOND),
            (later(3.1), ["> finish"]),
            (finished, ["< completed item_1 '' 1.0", "close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 16000", "> commit"]),
            (final("t1", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 0.5"]),
        ],
    )


def test_a_commit_ends_a_detected_turn_at_once() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 200), ["< speech_started item_1 200"]),
            (commit, ["> finish"]),
            (append(500), []),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.8"],
            ),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_2 1100"]),
        ],
    )


@pytest.mark.parametrize(
    "answer",
    [
        [(finished, ["close", *NEW, "< completed item_1 '' 0.0"])],
        [(later(1.9), []), (later(0.2), [*NEW, "< completed item_1 '' 0.0"]), (finished, ["close"])],
    ],
    ids=["at once", "in two seconds"],
)
def test_a_commit_of_silence(answer: Conversation) -> None:
    play(ready(Stage()), [(append(1000), ["> audio 32000"]), (commit, ["> finish"]), *answer])


def test_a_commit_of_silence_sent_fast_waits_two_seconds_and_the_next_turn_waits_for_the_service() -> None:
    play(
        detecting(),
        [
            *[(append(1000), ["> audio 32000"])] * 40,
            (commit, ["> finish"]),
            (append(500), []),
            (later(1.9), []),
            (later(0.2), [*NEW, "< completed item_1 '' 0.0"]),
            (commit, []),
            (later(40.0), []),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000", "> finish"]),
            (started("t1", 100), ["< speech_started item_2 40100"]),
            (
                final("t1", "hi"),
                ["< speech_stopped item_2 40500", *SECOND, "< delta item_2 'hi'", "< completed item_2 'hi' 0.4"],
            ),
            (finished, ["close"]),
        ],
    )


@pytest.mark.parametrize(
    "end", [finished, refusal(message="Invalid event type: session.finish")], ids=["no result", "finish refused"]
)
def test_a_session_that_ends_without_a_result_keeps_the_last_snapshot(end: Step) -> None:
    detected = detecting()
    play(
        detected,
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (text("t1", "he", "llo"), ["< delta item_1 'he'"]),
            (commit, ["> finish"]),
            (
                end,
                [
                    "< speech_stopped item_1 1000",
                    *NEW,
                    "< delta item_1 'llo'",
                    "< completed item_1 'hello' 0.9",
                    "close",
                ],
            ),
        ],
    )

    manual = by_hand()
    play(
        manual,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (text("t1", "", "hello"), []),
            (later(3.1), ["> finish"]),
            (end, ["< delta item_1 'hello'", "< completed item_1 'hello' 1.0", "close"]),
        ],
    )


def test_a_commit_after_a_detected_turn_adds_no_text() -> None:
    play(
        detecting(),
        [
            (append(2000), ["> audio 32000"] * 2),
            *spoken("t1", "item_1", "hi", None, 200, 1500),
            (commit, ["> finish"]),
            (finished, ["close", *SECOND, "< completed item_2 '' 0.0"]),
        ],
    )


def test_a_commit_of_silence_after_a_turn_that_another_commit_ended() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (commit, ["> finish"]),
            (append(500), []),
            (commit, []),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.9"],
            ),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000", "> finish"]),
            (finished, ["close", *SECOND, "< completed item_2 '' 0.0"]),
        ],
    )


def test_a_refusal_that_comes_twice_is_about_its_own_commit() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (refusal("commit_1", code="invalid_value"), ["< completed item_1 '' 1.0"]),
            (append(1000), ["> audio 32000"]),
            (commit, [*SECOND, "> commit"]),
            (refusal("commit_1", code="invalid_value"), []),
            (final("t1", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 1.0"]),
        ],
    )


TOLD = ["< delta item_1 'hi'", "< completed item_1 'hi' 0.8"]
EMPTY = [*SECOND, "< completed item_2 '' 0.0"]
POURED: Conversation = [(append(1000), ["> audio 32000"])] * 2
TURN: Conversation = spoken("t1", "item_1", "hi", None, 200, 1000)


@pytest.mark.parametrize(
    "answer",
    [
        [*TURN, (finished, ["close", *EMPTY])],
        [*TURN, (later(1.9), []), (later(0.2), EMPTY), (finished, ["close"])],
        [(later(1.9), []), *TURN, (later(1.9), []), (later(0.2), EMPTY), (finished, ["close"])],
        [*TURN[:3], (later(2.1), SECOND), (final("t1", "hi"), [*TOLD, EMPTY[-1]]), (finished, ["close"])],
        [*TURN, (lost(), ["open"]), (opened, [SETUP, "> audio 32000", "> finish"]), (finished, ["close", *EMPTY])],
    ],
    ids=["at once", "never", "never, late", "before the turn's result", "after a loss"],
)  # fmt: skip
def test_a_commit_behind_a_turn_that_the_service_ended_is_answered_by_an_empty_item(answer: Conversation) -> None:
    """The client sends all audio and the commit before the service reports anything."""
    play(detecting(), [*POURED, (commit, ["> finish"]), *answer])


@pytest.mark.parametrize("end_ms", [1901, 1950, 2000])
def test_a_turn_that_ends_within_a_commit_s_shortest_length_is_its_answer(end_ms: int) -> None:
    play(
        detecting(),
        [
            *POURED,
            (commit, ["> finish"]),
            *spoken("t1", "item_1", "hi", None, 200, end_ms),
            (later(10.0), []),
            (finished, ["close"]),
        ],
    )


def test_two_turns_and_a_commit_that_ends_the_second() -> None:
    play(
        detecting(),
        [
            *POURED,
            (commit, ["> finish"]),
            *TURN,
            (started("t2", 1500), ["< speech_started item_2 1500"]),
            (later(5.0), []),
            (stopped("t2", 2000), ["< speech_stopped item_2 2000", *SECOND]),
            (committed("t2"), []),
            (final("t2", "ho"), ["< delta item_2 'ho'", "< completed item_2 'ho' 0.5"]),
            (finished, ["close"]),
        ],
    )


def test_each_of_two_commits_far_ahead_is_answered() -> None:
    stage = detecting()
    third = ["< committed item_3 after item_2", "< item.added item_3", "< item.done item_3"]
    play(
        stage,
        [
            *POURED,
            (commit, ["> finish"]),
            (append(500), []),
            (commit, []),
            *TURN,
            (finished, ["close", *EMPTY, "open"]),
            (opened, ["> setup pcm/16000 vad 0.2/500", "> audio 16000", "> finish"]),
            (finished, ["close", *third, "< completed item_3 '' 0.0"]),
        ],
    )


def test_padding_does_not_reach_back_into_a_turn_that_was_committed_by_hand() -> None:
    play(
        by_hand(),
        [
            *POURED,
            (commit, [*NEW, "> commit"]),
            (update(turn_detection={"type": "server_vad", "prefix_padding_ms": 300}), ["< session.updated"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 2.0", "> finish"]),
            (append(1000), []),
            (finished, ["close", "open"]),
            (opened, ["> setup pcm/16000 vad 0.2/500", "> audio 32000"]),
            (started("n1", 100), ["< speech_started item_2 2000"]),
        ],
    )
