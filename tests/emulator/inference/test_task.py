"""How parameters, limits and readings change the results of a task."""

from __future__ import annotations

from typing import Any

import pytest

from compat.emulator.engine import Engine, Hypothesis
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.live_settings import TaskLimits
from compat.emulator.realtime.connection import Over
from tests.emulator.inference.dialogue import (
    Dialogue,
    finals,
    finish,
    names,
    pieces,
    run,
    sentence,
    whole,
)
from tests.emulator.realtime.talk import Event, scripted, silence, spoken
from tests.whole.speech import pcm

STREAMING, MESSAGE = "qwen-audio-3.1-asr-flash-streaming", "qwen-audio-3.1-asr-flash-message"
V2, V2_8K = "paraformer-realtime-v2", "paraformer-realtime-8k-v2"
LONG = silence(3_000)


def usages(events: list[Event]) -> list[Any]:
    return [event["payload"]["usage"] for event in events if sentence_ended(event)]


def sentence_ended(event: Event) -> bool:
    return "sentence" in event["payload"].get("output", {}) and bool(sentence(event)["sentence_end"])


@pytest.mark.parametrize(
    ("silence_ms", "texts"),
    [(200, ["amber basil", "cedar"]), (None, ["amber basil", "cedar"]), (6_000, ["amber basil cedar"])],
)
def test_a_sentence_ends_after_max_sentence_silence(silence_ms: int | None, texts: list[str]) -> None:
    assert texts == finals(whole(Dialogue(), max_sentence_silence=silence_ms))


@pytest.mark.parametrize("model", [V2, "fun-asr-realtime"])
def test_each_model_has_its_default_silence(model: str) -> None:
    audio = spoken("amber", length_ms=400) + silence(900) + spoken("basil", begin_ms=0) + LONG

    assert (2 if model == V2 else 1) == len(finals(whole(Dialogue(), audio, model=model)))


@pytest.mark.parametrize("size", [2, 641, 3_201, 1_000_000])
def test_final_results_do_not_depend_on_frame_sizes(size: int) -> None:
    results = [sentence(event) for event in whole(Dialogue(), size=size) if sentence_ended(event)]

    assert [sentence(event) for event in whole(Dialogue()) if sentence_ended(event)] == results


def test_the_end_of_the_task_ends_the_sentence() -> None:
    events = whole(Dialogue(), spoken("amber", length_ms=400))

    assert (["started", "partial", "final", "finished"], ["amber"]) == (names(events), finals(events))


def test_the_message_model_sends_partial_results_only_on_request() -> None:
    assert ["started", "final", "final", "finished"] == names(whole(Dialogue(), model=MESSAGE))

    events = whole(Dialogue(), model=MESSAGE, intermediate_result_enabled=True)
    first = sentence(events[1])
    assert ("", True, 1) == (first["text"], first["sentence_begin"], first["sentence_id"])
    assert ["started", "partial", "final", "partial", "final", "finished"] == names(events)


SAID = (Hypothesis("", "one two"), Hypothesis("One two. Three", "for"), Hypothesis("One two. Three, um, four. Five"))


@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({}, ["One two. Three, um, four. Five"]),
        ({"semantic_punctuation_enabled": True}, ["One two.", "Three, um, four.", "Five"]),
        ({"disfluency_removal_enabled": True}, ["One two. Three, four. Five"]),
        ({"punctuation_prediction_enabled": False}, ["One two Three um four Five"]),
    ],
)
def test_parameters_change_the_text(parameters: dict[str, Any], texts: list[str]) -> None:
    events = whole(Dialogue(scripted(SAID)), spoken("amber", "basil") + LONG, model=V2, **parameters)
    results = [sentence(event) for event in events if sentence_ended(event)]

    assert texts == [one["text"] for one in results]
    assert list(range(1, len(texts) + 1)) == [one["sentence_id"] for one in results]
    words = [word for one in results for word in one["words"]]
    assert sorted(word["begin_time"] for word in words) == [word["begin_time"] for word in words]


def test_semantic_punctuation_ends_sentences_without_silence() -> None:
    events = whole(
        Dialogue(scripted(SAID)), spoken("amber", "basil") + LONG, model=V2, semantic_punctuation_enabled=True
    )

    assert ["started", "partial", "final", "partial", "final", "final", "finished"] == names(events)
    assert "Three for" == [sentence(event)["text"] for event in events[1:-1]][2]


@pytest.mark.parametrize(
    ("given", "text"), [({"filter_with_signed": {"word_list": ["amber"]}}, "***** basil"), (None, "amber basil")]
)
def test_sensitive_words_are_masked(given: object, text: str) -> None:
    assert text == finals(whole(Dialogue(), special_word_filter=given))[0]


@pytest.mark.parametrize(("model", "tag"), [(V2_8K, "neutral"), (V2, None)])
def test_only_one_model_returns_emotions(model: str, tag: str | None) -> None:
    rate = 8_000 if model == V2_8K else 16_000
    events = whole(Dialogue(), spoken("amber", rate=rate), model=model, sample_rate=rate)

    assert [tag] == [sentence(event).get("emo_tag") for event in events if sentence_ended(event)]


def test_a_lower_noise_threshold_detects_quieter_speech() -> None:
    quiet = b"".join(value.to_bytes(2, "little", signed=True) for value in (300, 0, -300, 0)) * 4_000
    said = (Hypothesis("hello"),)

    assert [] == finals(whole(Dialogue(scripted(said)), quiet))
    assert ["hello"] == finals(whole(Dialogue(scripted(said)), quiet, speech_noise_threshold=-1.0))


def test_usage_is_in_seconds_or_tokens() -> None:
    assert [{"duration": 2}, {"duration": 4}] == usages(whole(Dialogue()))
    tokens = usages(whole(Dialogue(), model=STREAMING))
    assert [2, 3] == [one["output_tokens"] for one in tokens]
    assert tokens[0]["input_tokens"] < tokens[1]["input_tokens"] < tokens[1]["total_tokens"]


def test_usage_can_count_each_sentence_alone() -> None:
    assert [{"duration": 1}, {"duration": 1}] == usages(whole(Dialogue(usage="sentence")))
    assert [2, 1] == [one["output_tokens"] for one in usages(whole(Dialogue(usage="sentence"), model=STREAMING))]


def test_heartbeats_in_silence() -> None:
    limits = TaskLimits(heartbeat_seconds=1, silence_seconds=2)
    events = whole(Dialogue(limits=limits), spoken("amber") + silence(3_900), heartbeat=True)
    beats = [sentence(event) for event in events if "heartbeat" in names([event])]

    assert ["started", "partial", "final", "heartbeat", "heartbeat", "finished"] == names(events)
    assert {("", 0, None)} == {(beat["text"], beat["sentence_id"], beat["end_time"]) for beat in beats}


@pytest.mark.parametrize(("reading", "end"), [("failed", ["started", "failed"]), ("kept", ["started", "finished"])])
def test_long_silence_fails_the_task_unless_the_reading_keeps_it(reading: str, end: list[str]) -> None:
    dialogue = Dialogue(limits=TaskLimits(silence_seconds=1), silence=reading)
    events = dialogue.say(run(), silence(1_000), *([finish()] if reading == "kept" else []))

    assert end == names(events)
    if reading == "failed":
        assert "Response timeout!" == events[-1]["header"]["error_message"]


def test_the_reading_closed_closes_the_socket_after_long_silence() -> None:
    with pytest.raises(Over):
        Dialogue(limits=TaskLimits(silence_seconds=1), silence="closed").say(run(), silence(1_000))


def test_silence_counts_from_the_last_speech() -> None:
    dialogue = Dialogue(limits=TaskLimits(silence_seconds=2))

    assert "finished" == names(whole(dialogue, (spoken("amber") + silence(1_900)) * 3))[-1]


@pytest.mark.parametrize(
    ("reading", "code"),
    [("finished", None), ("empty_audio", "EmptyAudio"), ("no_valid_audio", "NO_VALID_AUDIO_ERROR")],
)
def test_the_reading_selects_the_end_of_a_task_without_speech(reading: str, code: str | None) -> None:
    *_, last = whole(Dialogue(silent_task=reading), silence(500))

    assert code == last["header"].get("error_code")
    if code is None:
        assert {"output": {}, "usage": None} == last["payload"]


def test_a_task_without_audio_fails() -> None:
    *_, last = Dialogue().say(run(), finish())

    assert "NO_VALID_AUDIO_ERROR" == last["header"]["error_code"]


@pytest.mark.parametrize(
    ("reading", "ended", "timed"),
    [("both", True, True), ("sentence_end", True, False), ("end_time", False, True)],
)
def test_the_reading_selects_what_marks_a_final_result(reading: str, ended: bool, timed: bool) -> None:
    events = whole(Dialogue(final_sign=reading))
    results = [sentence(event) for event in events if names([event]) == ["final"]]

    assert [(ended, timed)] * 2 == [(one["sentence_end"], one["end_time"] is not None) for one in results]


@pytest.mark.parametrize(
    ("reading", "texts"),
    [
        ("twice", ["amber basil", "amber basil", "cedar", "cedar"]),
        ("revised", ["amber basil", "amber basil (revised)", "cedar", "cedar (revised)"]),
    ],
)
def test_final_results_are_repeated_by_the_readings_twice_and_revised(reading: str, texts: list[str]) -> None:
    events = whole(Dialogue(finals=reading))

    assert texts == finals(events)
    assert [1, 1, 2, 2] == [sentence(event)["sentence_id"] for event in events if names([event]) == ["final"]]


def test_the_last_final_result_can_follow_task_finished() -> None:
    dialogue = Dialogue(late_final=True)

    for _ in range(2):
        events = whole(dialogue)
        assert ["started", "partial", "final", "finished", "final"] == names(events)
        assert ["amber basil", "cedar"] == finals(events)


@pytest.mark.parametrize(
    ("limits", "error"), [(TaskLimits(frame_bytes=3_199), "3199"), (TaskLimits(task_tokens=9), "[1, 9]")]
)
def test_a_task_over_a_limit_fails(limits: TaskLimits, error: str) -> None:
    *_, last = Dialogue(limits=limits).say(run(model=STREAMING), *pieces(silence(800)))

    assert error in last["header"]["error_message"]


@pytest.mark.parametrize("engine", [Moonshine()])
def test_real_speech_is_transcribed(engine: Engine) -> None:
    events = whole(Dialogue(engine), pcm(16_000)[: 9 * 32_000])

    assert "best of times" in " ".join(finals(events))
    words = [word for event in events if sentence_ended(event) for word in sentence(event)["words"]]
    assert 8_900 > words[-1]["begin_time"] > words[0]["begin_time"] > 500
