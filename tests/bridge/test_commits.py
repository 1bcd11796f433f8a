"""A commit while the service finds the turns: it is answered, however far ahead of the service it comes."""

from __future__ import annotations

import pytest

from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SECOND,
    SETUP,
    Conversation,
    Stage,
    append,
    commit,
    committed,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    ready,
    spoken,
    started,
    stopped,
    update,
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
    """All the sound and the commit come before the service says a word."""
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(stage, [*POURED, (commit, ["> finish"]), *answer])


@pytest.mark.parametrize("end_ms", [1901, 1950, 2000])
def test_a_turn_that_ends_within_a_commit_s_shortest_length_is_its_answer(end_ms: int) -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            *POURED,
            (commit, ["> finish"]),
            *spoken("t1", "item_1", "hi", None, 200, end_ms),
            (later(10.0), []),
            (finished, ["close"]),
        ],
    )


def test_two_turns_and_a_commit_that_ends_the_second() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=NO_PADDING)
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
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
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
