"""The client's events: bad input, and what a clear drops."""

from __future__ import annotations

import json

import pytest

from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SETUP,
    Conversation,
    Stage,
    Step,
    append,
    by_hand,
    clear,
    client,
    commit,
    committed,
    detecting,
    final,
    finished,
    lost,
    opened,
    play,
    raw,
    ready,
    spoken,
    started,
    stopped,
    update,
)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (raw("{"), "invalid_json None None"),
        (raw("[]"), "invalid_event None None"),
        (raw(b"\0\1"), "invalid_value None None"),
        (raw(json.dumps({"event_id": "e"})), "invalid_event type e"),
        (client("no.such", event_id="e"), "invalid_event type e"),
        (client("input_audio_buffer.append", event_id="e"), "invalid_event audio e"),
        (client("input_audio_buffer.append", event_id="e", audio=7), "invalid_value audio e"),
        (client("input_audio_buffer.append", event_id="e", audio="%%%"), "invalid_value audio e"),
        (client("session.update", event_id="e", session=[]), "invalid_value session e"),
        (client("response.create", event_id="e"), "unsupported_event type e"),
        (client("response.cancel", event_id="e"), "response_cancel_not_active None e"),
        (client("conversation.item.create", event_id="e", item={}), "unsupported_event type e"),
        (client("conversation.item.truncate", event_id="e", item_id="i"), "unsupported_event type e"),
        (update(format="mp3"), "invalid_value session.audio.input.format None"),
        (update(format={"type": "audio/pcm", "rate": 44100}), "invalid_value session.audio.input.format.rate None"),
        (update(turn_detection={"type": "magic"}), "invalid_value session.audio.input.turn_detection.type None"),
        (
            update(transcription={"language": "klingon"}),
            "invalid_value session.audio.input.transcription.language None",
        ),
    ],
)
def test_bad_input_is_answered_and_the_session_goes_on(said: Step, heard: str) -> None:
    stage = ready(Stage())

    play(stage, [(said, [f"< error {heard}"]), (append(100), ["> audio 3200"])])
    assert "invalid_request_error" == stage.frames[-1]["error"]["type"]


def test_clear_drops_what_was_not_committed() -> None:
    play(
        by_hand(),
        [
            (clear, ["< cleared"]),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (append(500), ["> audio 16000"]),
            (clear, ["< cleared", "> finish"]),
            (append(200), []),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.5"]),
            (final("t2", "dropped"), []),
            (finished, ["close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 6400"]),
            (commit, ["< committed item_3 after item_1", "< item.added item_3", "< item.done item_3", "> commit"]),
            (final("t1", "new"), ["< delta item_3 'new'", "< completed item_3 'new' 0.2"]),
        ],
    )


def test_clear_drops_a_detected_turn_that_goes_on() -> None:
    play(
        detecting(),
        [
            (append(500), ["> audio 16000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (clear, ["< speech_stopped item_1 500", "< cleared", "> finish"]),
            (final("t1", "dropped"), []),
            (finished, ["close"]),
            (append(500), ["open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_2 600"]),
        ],
    )


def test_clear_leaves_a_detected_turn_that_has_ended() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (stopped("t1", 800), ["< speech_stopped item_1 800", *NEW]),
            (clear, ["< cleared", "> finish"]),
            (committed("t1"), []),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.7"]),
            (finished, ["close"]),
        ],
    )


def test_clear_drops_a_detected_turn_that_the_service_has_not_reported() -> None:
    play(
        detecting(),
        [
            (append(500), ["> audio 16000"]),
            (clear, ["< cleared", "> finish"]),
            (clear, ["< cleared"]),
            (append(500), []),
            (started("t1", 100), []),
            (stopped("t1", 400), []),
            (committed("t1"), []),
            (final("t1", "dropped"), []),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_1 600"]),
        ],
    )


def test_clear_keeps_the_sound_of_a_committed_turn_for_a_replay() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            *spoken("t1", "item_1", "hi", None, 100, 800)[:3],
            (clear, ["< cleared", "> finish"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 25600", "> finish"]),
            (started("n1", 100), []),
            (final("n1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.7"]),
            (finished, ["close"]),
        ],
    )


def test_clear_while_new_settings_wait_and_the_connection_breaks() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 100), ["< speech_started item_1 100"]),
            (update(transcription={"language": "de"}), ["< session.updated"]),
            (clear, ["< speech_stopped item_1 1000", "< cleared", "> finish"]),
            (lost(), []),
            (append(500), ["open"]),
            (opened, [SETUP + " de", "> audio 16000"]),
            (started("n1", 100), ["< speech_started item_2 1100"]),
        ],
    )


@pytest.mark.parametrize(
    ("before", "cleared"),
    [
        ([], [(clear, ["< cleared", "> finish"]), (finished, ["close"])]),
        (
            [(started("t1", 900), ["< speech_started item_1 600"])],
            [(clear, ["< speech_stopped item_1 1000", "< cleared", "> finish"]), (finished, ["close"])],
        ),
        (
            [(commit, ["> finish"]), (clear, [])],
            [(finished, ["close", *NEW, "< completed item_1 '' 0.0", "< cleared"])],
        ),
    ],
    ids=["silence", "in mid-speech", "after a commit"],
)
def test_the_padding_of_a_turn_does_not_reach_into_what_was_cleared(
    before: Conversation, cleared: Conversation
) -> None:
    stage = ready(Stage(), turn_detection={"type": "server_vad", "prefix_padding_ms": 300})
    play(stage, [(append(1000), ["> audio 32000"]), *before, *cleared])
    for step in (append(500), opened):
        stage.step(step)

    (line,) = stage.step(started("n1", 100))
    assert line.endswith(" 1000")


def test_clear_drops_half_a_sample_too() -> None:
    stage = by_hand()
    play(
        stage,
        [
            (append(b"\1"), []),
            (clear, ["< cleared"]),
            (append(b"\3\0" * 1600), ["> audio 3200"]),
        ],
    )
    assert b"\3\0" * 1600 == stage.sound


def test_nothing_is_left_to_commit_after_a_clear() -> None:
    for turn_detection in (None, NO_PADDING):
        stage = ready(Stage(), turn_detection=turn_detection)
        play(stage, [(append(1000), ["> audio 32000"]), (clear, ["< cleared", "> finish"])])

        assert ["< error input_audio_buffer_commit_empty None None"] == stage.step(commit)


def test_clear_is_answered_after_the_commits_before_it() -> None:
    play(
        detecting(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, ["> finish"]),
            (clear, []),
            (finished, ["close", *NEW, "< completed item_1 '' 0.0", "< cleared"]),
        ],
    )
