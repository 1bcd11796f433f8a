"""What each model accepts: parameters, sample rates, context and hot words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.inference.dialogue import TASK, Dialogue, continue_task, names, run
from tests.emulator.realtime.talk import Event, silence

S0, S1 = "qwen-audio-3.0-asr-flash-streaming", "qwen-audio-3.1-asr-flash-streaming"
MESSAGE, FUN, FUN_8K = "qwen-audio-3.1-asr-flash-message", "fun-asr-realtime", "fun-asr-flash-8k-realtime"
P1, P1_8K, P2, P2_8K = (f"paraformer-realtime-{name}" for name in ("v1", "8k-v1", "v2", "8k-v2"))
RATES = {FUN_8K: 8_000, P1_8K: 8_000, P2_8K: 8_000}
ALL = (S0, S1, MESSAGE, FUN, f"{FUN}-2025-09-15", FUN_8K, f"{FUN_8K}-2026-01-28", P1, P1_8K, P2, P2_8K)


def started(model: str, given: object = None, *, refuses: bool = False, **parameters: Any) -> Event:  # noqa: ANN401
    """Return the event that answers a run-task. `refuses`: the reading in which undocumented parameters are refused."""
    rate = next((rate for name, rate in RATES.items() if model.startswith(name)), 16_000)
    resources = parameters.pop("resources", None)
    message = run(model=model, given=given, **{"sample_rate": rate, **parameters})
    message["payload"] |= {} if resources is None else {"resources": resources}
    [event] = Dialogue(unknown_parameters="refused" if refuses else "ignored").say(message)
    return event


def refused(event: Event) -> str:
    assert "task-failed" == event["header"]["event"]
    assert "InvalidParameter" == event["header"]["error_code"]
    return str(event["header"]["error_message"])


@pytest.mark.parametrize("model", ALL)
def test_every_model_starts_a_task(model: str) -> None:
    assert "task-started" == started(model)["header"]["event"]


@pytest.mark.parametrize(
    ("model", "rate", "accepted"),
    [
        *((model, 16_000, False) for model in RATES),
        *((model, 8_000, False) for model in (P1, MESSAGE)),
        *((model, rate, True) for model in (P2, FUN, S0, S1) for rate in (8_000, 16_000, 44_100)),
        (S1, 4_000, False),
    ],
)
def test_each_model_accepts_its_sample_rates(model: str, rate: int, accepted: bool) -> None:
    assert accepted is ("error_code" not in started(model, sample_rate=rate)["header"])


CONTEXT = [
    {"role": "user", "content": [{"type": "input_text", "text": "Who wrote it?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Dickens."}]},
]
WORDS: dict[str, Any] = {"vocabulary": {"Dickens": 4}}
STORED: dict[str, Any] = {"vocabulary_id": "vocab-x"}
PHRASE = [{"resource_id": "phrase-x", "resource_type": "asr_phrase"}]


@pytest.mark.parametrize(
    ("model", "context", "words", "stored", "phrase"),
    [
        (S0, True, True, True, False),
        (S1, True, True, True, False),
        (MESSAGE, True, True, True, False),
        (FUN, True, False, True, False),
        (f"{FUN}-2025-11-07", True, False, True, False),
        (f"{FUN}-2025-09-15", False, False, True, False),
        (FUN_8K, False, False, True, False),
        (P2, False, False, True, False),
        (P1, False, False, False, True),
    ],
)
def test_each_model_accepts_its_forms_of_context_and_hot_words(
    model: str, context: bool, words: bool, stored: bool, phrase: bool
) -> None:
    attempts = [
        started(model, {"context": CONTEXT}),
        started(model, **WORDS),
        started(model, **STORED),
        started(model, resources=PHRASE),
    ]

    assert [context, words, stored, phrase] == ["error_code" not in event["header"] for event in attempts]


@pytest.mark.parametrize("place", ["messages", "corpus", "vocabulary", "vocabulary_id"])
def test_context_under_another_name_in_the_input_is_refused(place: str) -> None:
    assert f"payload.input.{place}" in refused(started(S1, {place: CONTEXT}))


@pytest.mark.parametrize("place", ["context", "messages", "corpus", "prompt"])
def test_context_in_the_parameters_is_refused(place: str) -> None:
    parameters: dict[str, Any] = {place: "Dickens"}

    assert f"payload.parameters.{place}" in refused(started(S1, **parameters))


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("model", ALL)
def test_an_empty_vocabulary_id_is_ignored(model: str, empty: str | None) -> None:
    assert "task-started" == started(model, vocabulary_id=empty)["header"]["event"]


@pytest.mark.parametrize(
    "parameters", [{"bogus": 1}, {"diarization_enabled": True}, {"intermediate_result_enabled": True}]
)
def test_undocumented_parameters_are_ignored_or_refused(parameters: dict[str, Any]) -> None:
    assert "task-started" == started(FUN, **parameters)["header"]["event"]
    assert f"payload.parameters.{next(iter(parameters))}" in refused(started(FUN, refuses=True, **parameters))


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"format": None}, "payload.parameters.format"),
        ({"sample_rate": None}, "payload.parameters.sample_rate"),
        ({"sample_rate": "16k"}, "sample_rate"),
        ({"heartbeat": "yes"}, "heartbeat"),
        ({"speech_noise_threshold": 2}, "speech_noise_threshold"),
        ({"language_hints": ["en", "de", "fr", "it", "es"]}, "language_hints"),
        ({"special_word_filter": "{"}, "special_word_filter"),
        ({"max_sentence_silence": 6_001}, "max_sentence_silence"),
    ],
)
def test_an_invalid_parameter_is_named(parameters: dict[str, Any], error: str) -> None:
    assert error in refused(started(FUN, **parameters))


@pytest.mark.parametrize("name", ["task_group", "task", "function"])
def test_tasks_other_than_recognition_are_refused(name: str) -> None:
    message = run()
    message["payload"][name] = "tts"
    [event] = Dialogue().say(message)

    assert f"payload.{name}" in refused(event)


def test_streaming_must_be_duplex() -> None:
    message = run()
    message["header"]["streaming"] = "out"
    [event] = Dialogue().say(message)

    assert "header.streaming" in refused(event)


def test_the_context_can_change_while_the_task_runs() -> None:
    dialogue = Dialogue()
    events = dialogue.say(run(model=S1), silence(100), continue_task({"context": CONTEXT}), silence(100))

    assert ["started"] == names(events)
    assert [{"input": {"context": CONTEXT}}] == [{"input": update["input"]} for update in dialogue.record.updates[1:]]


@pytest.mark.parametrize(
    ("model", "given", "task_id", "error"),
    [
        (P2, {"context": CONTEXT}, TASK, "payload.input.context"),
        (S1, {"context": "Dickens"}, TASK, "payload.input.context"),
        (S1, {"messages": CONTEXT}, TASK, "payload.input.messages"),
        (S1, {"context": CONTEXT}, "another", "is not running"),
    ],
)
def test_invalid_changes_of_the_context_are_refused(model: str, given: object, task_id: str, error: str) -> None:
    _, event = Dialogue().say(run(model=model), continue_task(given, task_id))

    assert error in refused(event)


def test_a_second_task_at_a_time_is_refused() -> None:
    first, second = Dialogue().say(run(), run("second"))

    assert "has not been finished" in refused(second)
    assert (TASK, "second") == (first["header"]["task_id"], second["header"]["task_id"])
