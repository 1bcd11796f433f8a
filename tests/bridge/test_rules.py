"""The rules of a live session, one table each: what is said to the bridge, and what is heard from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat.bridge.limits import Limits
from compat.errors import CompatError, Forbidden, ModelNotFound, NotAuthenticated
from compat.openai_api.realtime.opening import Opening
from tests.bridge.stage import (
    PCM_16K,
    Conversation,
    Said,
    Stage,
    append,
    clear,
    client,
    closed,
    commit,
    committed,
    created,
    drained,
    failed,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    raw,
    ready,
    refusal,
    service,
    shutdown,
    stalled,
    start,
    started,
    stopped,
    text,
    update,
)

NEW = ["< committed item_1 after None", "< item.added item_1", "< item.done item_1"]
SECOND = ["< committed item_2 after item_1", "< item.added item_2", "< item.done item_2"]
SETUP = "> setup pcm/16000 vad 0.2/500"


def spoken(turn: str, item: str, said: str, after: str | None, start_ms: int, end_ms: int) -> Conversation:
    """A detected turn from its beginning to its end, of a session without prefix padding."""
    return [
        (started(turn, start_ms), [f"< speech_started {item} {start_ms}"]),
        (stopped(turn, end_ms), [f"< speech_stopped {item} {end_ms}"]),
        (committed(turn), [f"< committed {item} after {after}", f"< item.added {item}", f"< item.done {item}"]),
        (final(turn, said), [f"< delta {item} {said!r}", f"< completed {item} {said!r} {(end_ms - start_ms) / 1000}"]),
    ]


NO_PADDING = {"type": "server_vad", "prefix_padding_ms": 0}


# --- 1. openings, and what comes before the service is there ---


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
def test_created_comes_first_in_the_callers_dialect(opening: Opening, hello: str, settled: str) -> None:
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


# --- 2. sound ---


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


# --- 3. turn detection ---


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


def test_models_without_vad_are_manual_unless_told_otherwise() -> None:
    for model in ("gpt-realtime-whisper", "gpt-live-transcribe"):
        stage = Stage()
        stage.hear(start)
        stage.hear(update(transcription={"model": model}))
        assert stage.hear(opened) == ["> setup pcm/16000 manual"]


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


# --- 4. deltas ---

DELTAS: dict[str, Conversation] = {
    "growth": [
        (text("t", "", "he"), []),
        (text("t", "he", "llo"), ["< delta item_1 'he'"]),
        (text("t", "hello", " w"), ["< delta item_1 'llo'"]),
        (final("t", "hello world"), ["< delta item_1 ' world'", "< completed item_1 'hello world' 1.0"]),
    ],
    "empty until the end": [
        (text("t", "", "hello"), []),
        (text("t", "", "hello world"), []),
        (final("t", "hello world"), ["< delta item_1 'hello world'", "< completed item_1 'hello world' 1.0"]),
    ],
    "repeats": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "hello", ""), []),
        (final("t", "hello"), ["< completed item_1 'hello' 1.0"]),
        (final("t", "hello"), []),
        (text("t", "hello", ""), []),
    ],
    "a shorter text again": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "he", "llo"), []),
        (final("t", "hello!"), ["< delta item_1 '!'", "< completed item_1 'hello!' 1.0"]),
    ],
    "rewritten and come back": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "yellow", ""), []),
        (text("t", "hello you", ""), ["< delta item_1 ' you'"]),
        (final("t", "hello you"), ["< completed item_1 'hello you' 1.0"]),
    ],
    "contradicted in the end": [
        (text("t", "hello", ""), ["< delta item_1 'hello'"]),
        (text("t", "yellow", ""), []),
        (final("t", "yellow."), ["< completed item_1 'yellow.' 1.0"]),
    ],
    "a mark that belongs to the letter before": [
        (text("t", "สวัสด", "ี"), ["< delta item_1 'สวัส'"]),
        (final("t", "สวัสดี"), ["< delta item_1 'ดี'", "< completed item_1 'สวัสดี' 1.0"]),
    ],
    "nothing at all": [(final("t", ""), ["< completed item_1 '' 1.0"])],
}


@pytest.mark.parametrize("snapshots", DELTAS.values(), ids=DELTAS)
def test_snapshots_become_deltas(snapshots: Conversation) -> None:
    stage = ready(Stage(), turn_detection=None)
    stage.hear(append(1000))
    stage.hear(commit)

    play(stage, snapshots)


def test_a_contradiction_is_counted() -> None:
    stage = ready(Stage(), turn_detection=None)
    for said in (append(1000), commit, text("t", "hello"), final("t", "yellow")):
        stage.hear(said)

    assert 1 == stage.bridge.corrections


def test_detected_turns_may_speak_before_they_are_committed_and_manual_ones_after() -> None:
    detected = ready(Stage())
    for said in (append(1000), started("t1", 0)):
        detected.hear(said)
    assert ["< delta item_1 'hel'"] == detected.hear(text("t1", "hel", "lo"))

    manual = ready(Stage(), turn_detection=None)
    play(
        manual,
        [
            (append(1000), ["> audio 32000"]),
            (text("t1", "hel", "lo"), []),
            (commit, [*NEW, "< delta item_1 'hel'", "> commit"]),
            (final("t1", "hello"), ["< delta item_1 'lo'", "< completed item_1 'hello' 1.0"]),
        ],
    )


def test_what_the_service_says_beyond_openai() -> None:
    stage = ready(Stage(), turn_detection=None)
    for said in (append(1000), commit, text("t", "hel", "lo", language="en", emotion="happy")):
        stage.hear(said)

    assert {"stash": "lo", "language": "en", "emotion": "happy"} == stage.frames[-1]["dashscope"]

    stage.hear(final("t", "hello", language="en", emotion="sad"))
    assert {"stash": "", "language": "en", "emotion": "sad"} == stage.frames[-1]["dashscope"]


# --- 5. items ---


def test_results_leave_in_the_order_of_the_commits() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (committed("t1"), ["< speech_stopped item_1 1000", *NEW]),
            (append(1000), ["> audio 32000"]),
            (started("t2", 1200), ["< speech_started item_2 1200"]),
            (stopped("t2", 1900), ["< speech_stopped item_2 1900"]),
            (committed("t2"), SECOND),
            (final("t2", "two"), []),
            (
                final("t1", "one"),
                [
                    "< delta item_1 'one'",
                    "< completed item_1 'one' 1.0",
                    "< delta item_2 'two'",
                    "< completed item_2 'two' 0.7",
                ],
            ),
        ],
    )


REORDERED: dict[str, Conversation] = {
    "everything twice": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (started("t", 100), []),
        (stopped("t", 600), ["< speech_stopped item_1 600"]),
        (stopped("t", 600), []),
        (committed("t"), NEW),
        (committed("t"), []),
        (final("t", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.5"]),
        (final("t", "hi"), []),
        (committed("t"), []),
    ],
    "the result before the commit": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600"]),
        (final("t", "hi"), [*NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.5"]),
        (committed("t"), []),
    ],
    "the result before the end": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (
            final("t", "hi"),
            ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.9"],
        ),
        (stopped("t", 600), []),
    ],
    "a snapshot before the beginning": [
        (text("t", "h", "i"), ["< delta item_1 'h'"]),
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600"]),
        (final("t", "hi"), [*NEW, "< delta item_1 'i'", "< completed item_1 'hi' 0.5"]),
    ],
    "failed": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600"]),
        (failed("t", "InternalError"), [*NEW, "< failed item_1 upstream_error"]),
        (final("t", "hi"), []),
    ],
    "failed because nobody spoke": [
        (started("t", 100), ["< speech_started item_1 100"]),
        (stopped("t", 600), ["< speech_stopped item_1 600"]),
        (failed("t", "ASR_RESPONSE_HAVE_NO_WORDS"), [*NEW, "< completed item_1 '' 0.5"]),
    ],
}


@pytest.mark.parametrize("reports", REORDERED.values(), ids=REORDERED)
def test_events_of_the_service_in_any_order(reports: Conversation) -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    stage.hear(append(1000))

    play(stage, reports)


def test_items_are_retrieved_and_deleted() -> None:
    stage = ready(Stage(), turn_detection=None)
    for said in (append(1000), commit, final("t", "hello")):
        stage.hear(said)
    play(
        stage,
        [
            (client("conversation.item.retrieve", item_id="item_1"), ["< item.retrieved"]),
            (client("conversation.item.delete", item_id="item_1"), ["< item.deleted"]),
            (
                client("conversation.item.retrieve", item_id="item_1", event_id="e1"),
                ["< error item_not_found item_id e1"],
            ),
            (
                client("conversation.item.delete", item_id="item_1", event_id="e2"),
                ["< error item_not_found item_id e2"],
            ),
        ],
    )
    retrieved = next(frame for frame in stage.frames if frame["type"].endswith("retrieved"))
    assert [{"type": "input_audio", "transcript": "hello"}] == retrieved["item"]["content"]


# --- 6. turns that the caller ends ---


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
        [(later(2.9), []), (later(0.2), ["> finish"]), (finished, ["< completed item_1 '' 1.0", "close"])],
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


# --- 7. changes on the way ---


def test_new_settings_begin_with_the_next_turn() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (update(transcription={"language": "de", "prompt": "Köln"}), ["< session.updated", "> finish"]),
            (append(500), []),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 1.0"],
            ),
            (finished, ["close", "open"]),
            (opened, [SETUP + " de 'Köln'", "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_2 1100"]),
        ],
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


def test_from_manual_to_detected_the_turn_ends_here() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
        [
            (append(500), ["> audio 16000"]),
            (update(turn_detection={"type": "server_vad"}), [*NEW, "< session.updated", "> commit"]),
            (append(500), []),
            (final("t1", "hi"), ["< delta item_1 'hi'", "< completed item_1 'hi' 0.5", "> finish"]),
            (finished, ["close", "open"]),
            (opened, [SETUP, "> audio 16000"]),
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
            (clear, ["< cleared", "> finish"]),
            (final("t1", "dropped"), []),
            (finished, ["close"]),
            (append(500), ["open"]),
            (opened, [SETUP, "> audio 16000"]),
            (started("t1", 100), ["< speech_started item_2 600"]),
        ],
    )


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


# --- 8. the service's socket dies ---


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [(started("n1", 200), ["< speech_started item_1 200"])]),
        (
            [(started("t1", 200), ["< speech_started item_1 200"])],
            [
                (started("n1", 200), []),
                (text("n1", "he", "llo"), ["< delta item_1 'he'"]),
                (stopped("n1", 800), ["< speech_stopped item_1 800"]),
            ],
        ),
        (
            [
                (started("t1", 200), ["< speech_started item_1 200"]),
                (text("t1", "he", "llo"), ["< delta item_1 'he'"]),
                (stopped("t1", 800), ["< speech_stopped item_1 800"]),
                (committed("t1"), NEW),
            ],
            [
                (started("n1", 210), []),
                (text("n1", "", "hello"), []),
                (stopped("n1", 790), []),
                (committed("n1"), []),
                (final("n1", "hello"), ["< delta item_1 'llo'", "< completed item_1 'hello' 0.6"]),
            ],
        ),
    ],
    ids=["before the turn", "in the turn", "after the commit"],
)
def test_the_sound_of_unfinished_items_is_sent_again(before: Conversation, after: Conversation) -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            *before,
            (lost(), ["open"]),
            (append(500), []),
            (opened, [SETUP, "> audio 32000", "> audio 16000"]),
            *after,
        ],
    )


def test_what_was_answered_is_not_sent_again() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            *spoken("t1", "item_1", "hi", None, 100, 900),
            (append(1000), ["> audio 32000"]),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 3200", "> audio 32000"]),
            (started("n1", 300), ["< speech_started item_2 1200"]),
        ],
    )


def test_an_answer_that_overtook_another_leaves_silence_in_its_place() -> None:
    stage = ready(Stage(), turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(3000), ["> audio 32000"] * 3),
            *spoken("t1", "item_1", "one", None, 100, 900)[:3],
            *spoken("t2", "item_2", "two", "item_1", 1100, 1900)[:3],
            (final("t2", "two"), []),
            (lost(), ["open"]),
            (opened, [SETUP, "> audio 32000", "> audio 3200", "> audio 25600", "> audio 32000", "> audio 3200"]),
            (started("n1", 100), []),
        ],
    )


def test_manual_turns_are_committed_again() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (append(500), ["> audio 16000"]),
            (lost(), ["open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
            (committed("n1"), ["> audio 16000"]),
            (final("n1", "one"), ["< delta item_1 'one'", "< completed item_1 'one' 1.0"]),
            (commit, [*SECOND, "> commit"]),
            (final("n2", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 0.5"]),
        ],
    )


def test_a_caller_who_is_away_costs_no_connection() -> None:
    manual, detected = ready(Stage(), turn_detection=None), ready(Stage())
    for stage in (manual, detected):
        play(stage, [(append(1000), ["> audio 32000"]), (later(40), []), (lost(), [])])

    assert manual.hear(append(100)) == ["open"]
    assert detected.hear(append(100)) == ["open"]


BROKEN = service("error", error={"type": "server_error", "code": "InternalError", "message": "oops"})


@pytest.mark.parametrize(
    "end",
    [BROKEN, finished, lambda stage: stage.bridge.from_upstream("{}", stage.now)],
    ids=["error event", "session.finished", "no event"],
)
def test_the_service_ends_the_session(end: Said) -> None:
    stage = ready(Stage())
    play(stage, [(append(1000), ["> audio 32000"]), (end, ["close", "open"])])


def test_reopening_is_bounded_and_every_item_ends() -> None:
    stage = ready(Stage(limits=Limits(attempts=3, first_delay=1.0)), turn_detection=None)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (lost(), ["open"]),
            (lost(), []),
            (later(2.0), ["open"]),
            (lost(), []),
            (later(4.0), ["open"]),
            (lost(), ["< failed item_1 service_unavailable", "< error service_unavailable None None", "hang up 1011"]),
        ],
    )
    assert stage.bridge.over


def test_progress_gives_new_attempts() -> None:
    stage = ready(Stage(limits=Limits(attempts=2)), turn_detection=None)
    for _ in range(10):
        for said in (append(1000), lost(), later(30), opened, created):
            stage.hear(said)

    assert not stage.bridge.over
    assert 10 == stage.bridge.reconnections


@pytest.mark.parametrize("error", [NotAuthenticated("no"), Forbidden("no"), ModelNotFound("no")])
def test_what_no_attempt_can_help_ends_the_session(error: CompatError) -> None:
    play(
        Stage(),
        [
            (start, ["< session.created", "open"]),
            (lost(error), [f"< error {error.code} {error.param} None", "hang up 1011"]),
        ],
    )


def test_a_service_that_hangs_is_left() -> None:
    stage = ready(Stage(), turn_detection=None)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (later(3.1), ["> finish"]),
            (later(9.0), []),
            (later(1.1), ["close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
        ],
    )


# --- 9. the end ---


def test_the_caller_leaves() -> None:
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
    play(idle, [(shutdown(10), ["hang up 1001", "close"])])
    assert idle.bridge.over

    busy = ready(Stage(), turn_detection=NO_PADDING)
    play(
        busy,
        [
            (append(1000), ["> audio 32000"]),
            (started("t1", 0), ["< speech_started item_1 0"]),
            (shutdown(10), []),
            (stopped("t1", 900), ["< speech_stopped item_1 900"]),
            (
                final("t1", "hi"),
                [*NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.9", "hang up 1001", "> finish"],
            ),
            (finished, ["close"]),
        ],
    )

    late = ready(Stage(), turn_detection=None)
    play(
        late,
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (shutdown(2), []),
            (later(2), ["< failed item_1 service_unavailable", "hang up 1001", "> finish"]),
            (finished, ["close"]),
        ],
    )


# --- 10. backpressure ---


def test_the_service_takes_sound_as_fast_as_it_can() -> None:
    stage = ready(Stage(drain=False, limits=Limits(in_flight_bytes=64_000)))
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (append(1000), ["> audio 32000"]),
            (append(1000), []),
            (append(1000), []),
            (drained, ["> audio 32000", "> audio 32000"]),
        ],
    )


def test_the_caller_waits_while_a_minute_is_unsent() -> None:
    stage = Stage()
    play(
        stage,
        [
            (start, ["< session.created", "open"]),
            (update(format=PCM_16K), ["< session.updated"]),
            (append(59_000), []),
            (append(1000), ["read off"]),
        ],
    )
    assert "read on" in stage.hear(opened)


def test_a_caller_who_does_not_read() -> None:
    play(ready(Stage()), [(stalled, ["hang up 1008", "close"])])


# --- what the service does not take ---


@pytest.mark.parametrize("about", ["setup_1", None])
def test_a_context_that_is_refused_is_left_out(about: str | None) -> None:
    stage = Stage()
    stage.hear(start)
    stage.hear(update(format=PCM_16K, transcription={"language": "en", "prompt": "Qwen"}))
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
    stage.hear(start)
    stage.hear(update(transcription={"language": "en"}))
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
    stage.hear(start)
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


def test_a_refusal_that_concerns_nothing_is_no_concern_of_the_caller() -> None:
    play(ready(Stage()), [(refusal(code="invalid_value", message="unknown field"), [])])


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
        (client("response.cancel", event_id="e"), "unsupported_event type e"),
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
