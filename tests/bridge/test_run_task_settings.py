"""Conversations over the run-task protocol: settings that change, and what the service refuses."""

from __future__ import annotations

from tests.bridge.stage import (
    NEW,
    UPDATED,
    append,
    clear,
    commit,
    later,
    lost,
    opened,
    play,
    update,
)
from tests.bridge.task_stage import (
    begun,
    by_hand,
    detecting,
    task_failed,
    task_finished,
    task_started,
)

WORD = {"begin_time": 100, "end_time": 400}
RUN, RUN_BY_HAND = "> run max_sentence_silence=500", "> run max_sentence_silence=6000"
SAID = [
    "< speech_started item_1 100",
    "< speech_stopped item_1 900",
    *NEW,
    "< delta item_1 'Hi.'",
    "< completed item_1 'Hi.' 1.0",
]


def test_new_context_applies_to_the_task_that_runs() -> None:
    stage = begun(detecting())
    prompt = update(transcription={"prompt": "Qwen"})
    play(
        stage,
        [
            (prompt, [*UPDATED, "> context 'Qwen'"]),
            (append(500), ["> audio 16000"]),
            (lost(), ["open"]),
            (opened, [f"{RUN} 'Qwen'"]),
        ],
    )


def test_context_that_is_refused_is_left_out() -> None:
    stage = begun(detecting())
    play(
        stage,
        [
            (update(transcription={"prompt": "Qwen"}), [*UPDATED, "> context 'Qwen'"]),
            (task_failed("InvalidParameter", "input.context is not supported"), ["< session.updated", "close", "open"]),
            (opened, [RUN]),
            (task_started, ["> audio 16000", "> audio 16000"]),
        ],
    )
    assert "transcription.prompt" in stage.frames[-1]["session"]["dashscope"]["ignored"]


def test_a_refused_parameter_is_left_out_and_named() -> None:
    stage = detecting(transcription={"language": "de"})
    refused = "payload.parameters.language_hints is not supported"
    play(
        stage,
        [
            (append(500), ["> run language_hints=['de'] max_sentence_silence=500"]),
            (task_failed("InvalidParameter", refused), ["< session.updated", "close", "open"]),
            (opened, [RUN]),
            (task_started, ["> audio 16000"]),
            (lost(), ["open"]),
            (opened, [RUN]),
        ],
    )
    assert ["transcription.language"] == stage.frames[-1]["session"]["dashscope"]["ignored"]


def test_refused_context_that_waits_is_left_out() -> None:
    stage = detecting(transcription={"prompt": "Qwen"})
    play(
        stage,
        [
            (append(500), [f"{RUN} 'Qwen'"]),
            (update(transcription={"prompt": "Fun"}), UPDATED),
            (task_failed("InvalidParameter", "input.context is not supported"), ["< session.updated", "close", "open"]),
            (opened, [RUN]),
            (task_started, ["> audio 16000"]),
        ],
    )


def test_a_model_that_does_not_exist_ends_the_session() -> None:
    stage = detecting()
    stage.step(append(500))
    expected = ["close", "< error model_not_found model None", "hang up 1011"]
    assert expected == stage.step(task_failed("ModelNotFound", "Model can not be found."))


def test_a_rate_limit_is_waited_for() -> None:
    stage = detecting()
    play(stage, [(append(500), [RUN]), (task_failed("Throttling.RateQuota"), ["close", "open"]), (opened, [RUN])])
    assert ["close"] == stage.step(task_failed("Throttling.RateQuota"))
    assert ["open"] == stage.step(later(1.0))


def test_settings_that_change_between_turns_use_the_same_connection() -> None:
    play(
        begun(by_hand(), 500),
        [
            (commit, [*NEW, "> finish"]),
            (update(transcription={"language": "de"}), UPDATED),
            (append(500), []),
            (task_finished, ["< completed item_1 '' 0.5", "> run language_hints=['de'] max_sentence_silence=6000"]),
        ],
    )


def test_settings_that_change_during_a_manual_turn_apply_to_the_next() -> None:
    play(
        begun(by_hand(), 500),
        [
            (update(transcription={"language": "de"}), UPDATED),
            (append(500), ["> audio 16000"]),
            (commit, [*NEW, "> finish"]),
            (task_finished, ["< completed item_1 '' 1.0"]),
            (append(500), ["> run language_hints=['de'] max_sentence_silence=6000"]),
        ],
    )


def test_settings_that_change_before_the_task_has_started() -> None:
    play(
        by_hand(),
        [
            (append(500), [RUN_BY_HAND]),
            (clear, ["< cleared"]),
            (update(transcription={"language": "de"}), [*UPDATED, "close", "open"]),
            (opened, []),
            (append(500), ["> run language_hints=['de'] max_sentence_silence=6000"]),
        ],
    )


def test_the_model_changes_between_the_protocols() -> None:
    stage = begun(by_hand(), 500)
    play(
        stage,
        [
            (commit, [*NEW, "> finish"]),
            (update(transcription={"model": "whisper-1"}), UPDATED),
            (append(500), []),
            (task_finished, ["< completed item_1 '' 0.5", "close", "open"]),
        ],
    )
