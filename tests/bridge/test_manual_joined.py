"""Turns with live deltas that the client ends: sentences of the service, one item."""

from __future__ import annotations

from typing import Any

import pytest

from compat.errors import NotAuthenticated
from compat.openai_api.realtime.opening import Opening
from tests.bridge.stage import (
    JOINED,
    NEW,
    PCM_16K,
    SECOND,
    SETUP,
    Conversation,
    Stage,
    append,
    clear,
    client,
    commit,
    committed,
    failed,
    final,
    finished,
    later,
    live,
    lost,
    opened,
    play,
    ready,
    shutdown,
    start,
    started,
    stopped,
    text,
    update,
)

LIVE = {"model": "gpt-live-transcribe"}


def sentence(turn: str, said: str, delta: str, start_ms: int, end_ms: int) -> Conversation:
    return [
        (started(turn, start_ms), []),
        (stopped(turn, end_ms), []),
        (committed(turn), []),
        (final(turn, said), [f"< delta item_1 {delta!r}"]),
    ]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}}, JOINED),
        ({"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}, "turn_detection": None}}}, JOINED),
        ({"turn_detection": None, "dashscope": {"live_deltas": True}}, JOINED),
        ({"turn_detection": None}, "> setup pcm/16000 manual"),
        (
            {"audio": {"input": {"transcription": LIVE}}, "dashscope": {"live_deltas": False}},
            "> setup pcm/16000 manual",
        ),
        ({"dashscope": {"live_deltas": True}}, SETUP),
        ({"turn_detection": {"type": "server_vad"}, "input_audio_transcription": LIVE}, SETUP),
    ],
)
def test_which_sessions_get_deltas_before_the_commit(session: dict[str, Any], expected: str) -> None:
    stage = Stage()
    for step in (start, client("session.update", session=session)):
        stage.step(step)

    assert stage.step(opened) == [expected]
    shown = stage.frames[-1]["session"]["dashscope"]
    assert session.get("dashscope", {}).get("live_deltas") == shown["live_deltas"]


def test_the_model_may_be_in_the_query() -> None:
    stage = Stage(Opening(model="gpt-realtime-whisper"))
    stage.step(start)

    assert stage.step(opened) == [JOINED]


def test_deltas_come_during_speech_and_the_commit_makes_one_item() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 200), []),
            (text("t1", "It was", " the"), ["< delta item_1 'It was'"]),
            (append(2000), ["> audio 32000"] * 2),
            (stopped("t1", 1800), []),
            (committed("t1"), []),
            (final("t1", "It was the best."), ["< delta item_1 ' the best.'"]),
            (append(1000), ["> audio 32000"]),
            (started("t2", 3000), []),
            (text("t2", "It was", ""), ["< delta item_1 ' It was'"]),
            (commit, [*NEW, "> finish"]),
            (append(500), []),
            (
                final("t2", "It was the worst."),
                ["< delta item_1 ' the worst.'"],
            ),
            (finished, ["close", "< completed item_1 'It was the best. It was the worst.' 4.0", "open"]),
            (opened, [JOINED, "> audio 16000"]),
        ],
    )


@pytest.mark.parametrize("result", ["It is the best.", "It"])
def test_a_contradicted_sentence_does_not_stop_the_deltas_of_the_next(result: str) -> None:
    stage = live()
    play(
        stage,
        [
            (append(3000), ["> audio 32000"] * 3),
            (started("t1", 200), []),
            (text("t1", "It was the", ""), ["< delta item_1 'It was the'"]),
            (text("t1", "It is the", ""), []),
            (stopped("t1", 900), []),
            (committed("t1"), []),
            (final("t1", result), []),
            (started("t2", 1200), []),
            (text("t2", "It was", ""), ["< delta item_1 ' It was'"]),
            (stopped("t2", 1900), []),
            (committed("t2"), []),
            (final("t2", "It was the worst."), ["< delta item_1 ' the worst.'"]),
            (commit, [*NEW, "> finish"]),
            (finished, ["close", f"< completed item_1 '{result} It was the worst.' 3.0"]),
        ],
    )
    assert 1 == stage.bridge.corrections


def test_scripts_without_spaces_are_joined_without_spaces() -> None:
    play(
        live(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *sentence("t1", "你好。", "你好。", 0, 900),
            *sentence("t2", "再见。", "再见。", 1000, 1900),
            (commit, [*NEW, "> finish"]),
            (finished, ["close", "< completed item_1 '你好。再见。' 3.0"]),
        ],
    )


def test_sentences_whose_results_overtake_one_another_stay_in_order() -> None:
    play(
        live(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *sentence("t1", "", "", 0, 900)[:3],
            *sentence("t2", "", "", 1000, 1900)[:3],
            (final("t2", "two"), []),
            (commit, [*NEW, "> finish"]),
            (final("t1", "one"), ["< delta item_1 'one two'"]),
            (finished, ["close", "< completed item_1 'one two' 3.0"]),
        ],
    )


@pytest.mark.parametrize("shown", ["", "hello"])
def test_a_sentence_without_a_result_keeps_its_last_snapshot(shown: str) -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 200), []),
            (text("t1", "", shown), []),
            (commit, [*NEW, "> finish"]),
            (
                finished,
                [
                    *([f"< delta item_1 '{shown}'"] if shown else []),
                    "close",
                    f"< completed item_1 '{shown}' 1.0",
                ],
            ),
        ],
    )


def test_silence_makes_an_empty_item() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> finish"]),
            (finished, ["close", "< completed item_1 '' 1.0"]),
        ],
    )


def test_a_commit_of_nothing_is_the_documented_error() -> None:
    empty = "< error input_audio_buffer_commit_empty None None"
    play(live(), [(commit, [empty]), (append(50), ["> audio 1600"]), (commit, [empty])])


def test_commits_far_ahead_are_each_one_item() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> finish"]),
            (append(1000), []),
            (commit, SECOND),
            (started("t1", 200), []),
            (final("t1", "one"), ["< delta item_1 'one'"]),
            (finished, ["close", "< completed item_1 'one' 1.0", "open"]),
            (opened, [JOINED, "> audio 32000", "> finish"]),
            (started("t1", 200), []),
            (final("t1", "two"), ["< delta item_2 'two'"]),
            (finished, ["close", "< completed item_2 'two' 1.0"]),
        ],
    )


def test_unanswered_audio_is_sent_again_after_a_lost_connection() -> None:
    play(
        live(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *sentence("t1", "one", "one", 0, 1000),
            (started("t2", 2000), []),
            (text("t2", "two", " t"), ["< delta item_1 ' two'"]),
            (lost(), ["open"]),
            (opened, [JOINED, "> audio 32000", "> audio 32000"]),
            (commit, [*NEW, "> finish"]),
            (started("n1", 1000), []),
            (text("n1", "tw", ""), []),
            (final("n1", "two three"), ["< delta item_1 ' three'"]),
            (finished, ["close", "< completed item_1 'one two three' 3.0"]),
        ],
    )


def test_a_clear_drops_all_sentences() -> None:
    play(
        live(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *sentence("t1", "one", "one", 0, 1000),
            (started("t2", 2000), []),
            (clear, ["< cleared", "> finish"]),
            (final("t2", "dropped"), []),
            (append(1000), []),
            (finished, ["close", "open"]),
            (opened, [JOINED, "> audio 32000"]),
            (started("n1", 100), []),
            (commit, ["< committed item_2 after None", "< item.added item_2", "< item.done item_2", "> finish"]),
            (final("n1", "two"), ["< delta item_2 'two'"]),
            (finished, ["close", "< completed item_2 'two' 1.0"]),
        ],
    )


def test_a_clear_behind_a_commit_leaves_the_commit() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), []),
            (commit, [*NEW, "> finish"]),
            (append(1000), []),
            (clear, []),
            (final("t1", "one"), ["< delta item_1 'one'"]),
            (finished, ["close", "< completed item_1 'one' 1.0", "< cleared"]),
        ],
    )


def test_a_sentence_that_fails_fails_the_item_once() -> None:
    play(
        live(),
        [
            (append(3000), ["> audio 32000"] * 3),
            *sentence("t1", "one", "one", 0, 1000),
            (started("t2", 2000), []),
            (failed("t2", "InternalError"), []),
            (commit, [*NEW, "< failed item_1 upstream_error", "> finish"]),
            (finished, ["close"]),
        ],
    )


def test_a_failed_session_fails_committed_items() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), []),
            (commit, [*NEW, "> finish"]),
            (
                lost(NotAuthenticated("no")),
                ["< failed item_1 invalid_api_key", "< error invalid_api_key None None", "hang up 1011"],
            ),
        ],
    )


def test_new_settings_wait_for_the_commit() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), []),
            (update(transcription={"language": "de"}), ["< session.updated"]),
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> finish"]),
            (append(1000), []),
            (final("t1", "one"), ["< delta item_1 'one'"]),
            (finished, ["close", "< completed item_1 'one' 2.0", "open"]),
            (opened, [f"{JOINED} de", "> audio 32000"]),
        ],
    )


def test_a_turn_is_delivered_at_the_end_of_the_session() -> None:
    play(
        live(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), []),
            (shutdown(5.0), []),
            (append(1000), ["> audio 32000"]),
            (later(5.0), [*NEW, "> finish"]),
            (final("t1", "one"), ["< delta item_1 'one'"]),
            (finished, ["close", "< completed item_1 'one' 2.0", "hang up 1001"]),
        ],
    )


def test_from_detected_turns_to_joined_turns_and_back() -> None:
    play(
        ready(Stage(), turn_detection={"type": "server_vad", "prefix_padding_ms": 0}),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (update(transcription=LIVE, turn_detection=None), ["< session.updated"]),
            (stopped("t1", 1000), ["< speech_stopped item_1 1000", *NEW, "> finish"]),
            (final("t1", "one"), ["< delta item_1 'one'", "< completed item_1 'one' 0.9", "close", "open"]),
            (append(1000), []),
            (opened, [JOINED, "> audio 32000"]),
            (started("t1", 100), []),
            (text("t1", "two", ""), ["< delta item_2 'two'"]),
            (update(turn_detection={"type": "server_vad"}), ["< session.updated"]),
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 1500), ["> finish"]),
            (
                final("t1", "two more"),
                ["< delta item_2 ' more'", "close", "open", *SECOND, "< completed item_2 'two more' 1.5"],
            ),
            (opened, [SETUP, "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_3 2500"]),
        ],
    )


def test_beta_clients_get_the_same() -> None:
    stage = Stage(Opening(dialect="beta"))
    for step in (start, update(format=PCM_16K, transcription=LIVE), opened, append(1000), started("t1", 100)):
        stage.step(step)

    assert stage.step(text("t1", "one", "")) == ["< delta item_1 'one'"]
    assert stage.step(commit) == ["< committed item_1 after None", "< item.created item_1", "> finish"]


def test_a_turn_is_sent_again_if_the_service_hangs_before_any_report() -> None:
    stage = live()
    play(stage, [(append(1000), ["> audio 32000"]), (commit, [*NEW, "> finish"])])
    stage.step(lambda stage: stage.bridge.upstream_pong(stage.now, stage.now))

    play(stage, [(later(11), ["close", "open"]), (opened, [JOINED, "> audio 32000", "> finish"])])
