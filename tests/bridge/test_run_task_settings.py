"""Conversations over the run-task protocol: settings that change, what the service refuses, and
bounds."""

from __future__ import annotations

from compat.bridge.limits import SessionLimits
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
    RUN,
    RUN_BY_HAND,
    begun,
    by_hand,
    detecting,
    result,
    task_failed,
    task_finished,
    task_started,
)


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


def test_a_parameter_that_is_refused_at_the_end_loses_no_turn() -> None:
    stage = by_hand(transcription={"language": "de"})
    refused = task_failed("InvalidParameter", "payload.parameters.language_hints is not supported")
    play(
        stage,
        [
            (append(500), ["> run language_hints=['de'] max_sentence_silence=6000"]),
            (task_started, ["> audio 16000"]),
            (commit, [*NEW, "> finish"]),
            (refused, ["< session.updated", "close", "open"]),
            (opened, [RUN_BY_HAND]),
            (task_started, ["> audio 16000", "> finish"]),
            (result(1, "one", 100, 400), ["< delta item_1 'one'"]),
            (task_finished, ["< completed item_1 'one' 0.5"]),
        ],
    )


def test_the_model_changes_within_the_protocol() -> None:
    play(
        begun(by_hand(), 500),
        [
            (commit, [*NEW, "> finish"]),
            (update(transcription={"model": "paraformer-realtime-v1"}), UPDATED),
            (append(500), []),
            (task_finished, ["< completed item_1 '' 0.5", "close", "open paraformer-realtime-v1"]),
            (opened, ["> run"]),
        ],
    )


def test_the_client_is_not_read_while_too_much_waits_for_a_task() -> None:
    stage = by_hand(limits=SessionLimits(unsent=1.0))
    stage.step(append(1000))
    assert ["read off"] == stage.step(append(100))
    assert "read on" in stage.step(task_started)


def test_a_session_that_has_reached_its_maximum_duration_ends_its_turn() -> None:
    stage = begun(by_hand(limits=SessionLimits(longest=20.0, grace=5.0)), 500)
    for _ in range(25):
        stage.step(append(500))
        stage.step(later(1.0))
    assert stage.wire.state == "finishing"
    ended = ["< completed item_1 '' 13.0", "< error session_expired None None", "hang up 1001", "close"]
    assert ended == stage.step(task_finished)


def test_sound_is_kept_from_where_the_next_turn_can_begin_if_turns_end_early() -> None:
    stage = begun(detecting(), 2000)
    for step in (result(1, "a", 100, 400), result(2, "b", 650, 900), result(3, "c", 1200, 1500)):
        stage.step(step)
    play(stage, [(lost(), ["open"]), (opened, [RUN]), (task_started, ["> audio 8320", "> audio 9600"])])
