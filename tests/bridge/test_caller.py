"""What the caller may say: sound, settings, commits, and nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat.bridge.limits import Limits
from compat.errors import NotAuthenticated
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SECOND,
    SETUP,
    Conversation,
    Said,
    Stage,
    append,
    clear,
    client,
    commit,
    committed,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    raw,
    ready,
    refusal,
    spoken,
    start,
    started,
    stopped,
    text,
    update,
)

# --- sound ---


@pytest.mark.parametrize("cuts", [[4800], [1] * 48 + [4752], [3, 5, 2391, 2401], [2400, 2400]])
def test_sound_at_24_khz_is_resampled_as_one_stream(cuts: list[int]) -> None:
    pcm = b"".join((index * 37 % 20000 - 10000).to_bytes(2, "little", signed=True) for index in range(2400))
    whole, parts = Stage(), Stage()
    for stage, sizes in ((whole, [4800]), (parts, cuts)):
        for said in (start, update(turn_detection=None), opened):
            stage.hear(said)
        at = 0
        for size in sizes:
            stage.hear(append(pcm[at : at + size]))
            at += size
        stage.hear(commit)

    assert 3200 == len(whole.sound)
    assert whole.sound == parts.sound


@pytest.mark.parametrize(
    ("form", "given", "told", "sent"),
    [
        ({"type": "audio/pcm", "rate": 8000}, 1600, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 16000}, 3200, "pcm/16000", 3200),
        ({"type": "audio/pcm"}, 4800, "pcm/16000", 3200),
        ({"type": "audio/pcm", "rate": 48000}, 9600, "pcm/16000", 3200),
        ({"type": "audio/pcmu"}, 800, "pcm/8000", 1600),
        ({"type": "audio/pcma"}, 800, "pcm/8000", 1600),
    ],
)
def test_every_format_is_100_ms_for_the_service(form: dict[str, Any], given: int, told: str, sent: int) -> None:
    stage = Stage()
    for said in (start, update(format=form, turn_detection=None)):
        stage.hear(said)

    assert stage.hear(opened) == [f"> setup {told} manual"]
    stage.hear(append(bytes(given)))
    stage.hear(commit)
    assert sent == len(stage.sound)
    stage.hear(final("t1", "x"))
    assert 0.1 == stage.frames[-1]["usage"]["seconds"]


def test_opus_goes_up_as_it_is_and_its_packets_tell_the_time() -> None:
    stage = Stage()
    packet = b"\x78\1\2\3"  # 20 ms, one frame
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format={"type": "audio/opus"}, turn_detection=None), ["< session.updated"]),
            (opened, ["> setup opus/16000 manual"]),
            *[(append(packet), ["> audio 4"])] * 5,
            (commit, [*NEW, "> commit"]),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.1"]),
        ],
    )


def test_a_large_frame_is_split() -> None:
    stage = ready(Stage(limits=Limits(frame_bytes=3200)))

    assert stage.hear(append(250)) == ["> audio 3200", "> audio 3200", "> audio 1600"]


# --- turn detection ---


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"type": "server_vad"}, "vad 0.2/500"),
        ({"type": "server_vad", "threshold": 0}, "vad -1.0/500"),
        ({"type": "server_vad", "threshold": 0.25}, "vad -0.4/500"),
        ({"type": "server_vad", "threshold": 0.75}, "vad 0.6/500"),
        ({"type": "server_vad", "threshold": 1}, "vad 1.0/500"),
        ({"type": "server_vad", "silence_duration_ms": 100}, "vad 0.2/200"),
        ({"type": "server_vad", "silence_duration_ms": 9000}, "vad 0.2/6000"),
        ({"type": "semantic_vad"}, "vad 0.2/1000"),
        ({"type": "semantic_vad", "eagerness": "high"}, "vad 0.2/500"),
        ({"type": "semantic_vad", "eagerness": "low"}, "vad 0.2/4000"),
        ({"type": "server_vad", "create_response": True, "idle_timeout_ms": 6000}, "vad 0.2/500"),
        (None, "manual"),
    ],
)
def test_turn_detection(said: dict[str, Any] | None, told: str) -> None:
    stage = Stage()
    for line in (start, update(turn_detection=said)):
        stage.hear(line)

    assert stage.hear(opened) == [f"> setup pcm/16000 {told}"]


def test_prefix_padding_reaches_back_but_not_into_the_turn_before() -> None:
    stage = ready(Stage(), turn_detection={"type": "server_vad", "prefix_padding_ms": 300})
    play(
        stage,
        [
            (append(3000), ["> audio 32000"] * 3),
            (started("t1", 200), ["< speech_started item_1 0"]),
            (stopped("t1", 1000), ["< speech_stopped item_1 1000"]),
            (started("t2", 1100), ["< speech_started item_2 1000"]),
            (stopped("t2", 1500), ["< speech_stopped item_2 1500"]),
            (started("t3", 2500), ["< speech_started item_3 2200"]),
        ],
    )


# --- turns that the caller ends ---


def test_an_empty_commit_is_the_documented_error() -> None:
    stage = ready(Stage(), turn_detection=None)
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
    stage = ready(Stage(), turn_detection=None)
    play(stage, [(append(1000), ["> audio 32000"]), (commit, [*NEW, "> commit"]), *answer])

    heard = stage.hear(append(1000))
    assert heard == (["open"] if "close" in answer[-1][1] else ["> audio 32000"])


def test_after_a_silent_commit_the_next_turn_has_a_session_of_its_own() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
def test_a_commit_of_what_is_only_silence(answer: Conversation) -> None:
    stage = ready(Stage())

    play(stage, [(append(1000), ["> audio 32000"]), (commit, ["> finish"]), *answer])


def test_a_commit_of_silence_that_was_poured_in_waits_two_seconds_and_the_next_turn_for_the_service() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
def test_a_session_that_ends_without_a_result_leaves_what_was_shown_last(end: Said) -> None:
    detected = ready(Stage(), turn_detection=NO_PADDING)
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

    manual = ready(Stage(), turn_detection=None)
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


def test_a_commit_after_a_detected_turn_invents_nothing() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(2000), ["> audio 32000"] * 2),
            *spoken("t1", "item_1", "hi", None, 200, 1500),
            (commit, ["> finish"]),
            (finished, ["close", *SECOND, "< completed item_2 '' 0.0"]),
        ],
    )


def test_a_commit_of_silence_after_a_turn_that_another_commit_ended() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
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


@pytest.mark.parametrize(
    ("turn_detection", "answer"),
    [(None, [final("t1", "one")]), (NO_PADDING, [finished, opened])],
    ids=["by hand", "detected"],
)
def test_half_a_sample_ends_with_the_commit(turn_detection: dict[str, Any] | None, answer: list[Said]) -> None:
    stage = ready(Stage(), turn_detection=turn_detection)
    for said in (append(b"\1\0" * 1600 + b"\7"), commit, append(b"\2\0" * 1600), *answer):
        stage.hear(said)

    assert b"\1\0" * 1600 + b"\2\0" * 1600 == stage.sound


# --- changes on the way ---


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


def test_clear_drops_what_was_not_committed() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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


def test_clear_drops_a_detected_turn_that_the_service_has_not_told_yet() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
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
    for said in (append(500), opened):
        stage.hear(said)

    (told,) = stage.hear(started("n1", 100))
    assert told.endswith(" 1000")


def test_clear_drops_half_a_sample_too() -> None:
    stage = ready(Stage(), turn_detection=None)
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

        assert ["< error input_audio_buffer_commit_empty None None"] == stage.hear(commit)


def test_clear_is_answered_after_the_commits_before_it() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (commit, ["> finish"]),
            (clear, []),
            (finished, ["close", *NEW, "< completed item_1 '' 0.0", "< cleared"]),
        ],
    )


# --- bad input ---


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
def test_bad_input_is_answered_and_the_session_goes_on(said: Said, heard: str) -> None:
    stage = ready(Stage())

    play(stage, [(said, [f"< error {heard}"]), (append(100), ["> audio 3200"])])
    assert "invalid_request_error" == stage.frames[-1]["error"]["type"]
