"""Conversations over the run-task protocol: a task for each stretch of speech, on a connection that is used again."""

from __future__ import annotations

import pytest

from compat.bridge.limits import SessionLimits
from compat.errors import ServiceUnavailable
from tests.bridge.service import silence, word
from tests.bridge.simulation import Simulation
from tests.bridge.stage import (
    NEW,
    PCM_16K,
    SECOND,
    UPDATED,
    append,
    clear,
    client,
    closed,
    commit,
    later,
    lost,
    opened,
    play,
    shutdown,
    sound,
    start,
    update,
)
from tests.bridge.task_stage import (
    RUN,
    RUN_BY_HAND,
    SAID,
    TaskStage,
    begun,
    by_hand,
    detecting,
    heartbeat,
    prepared,
    result,
    task_failed,
    task_finished,
    task_started,
    tell,
)
from tests.bridge.tasks import TaskService


def test_a_task_begins_with_audio_and_takes_it_once_it_has_started() -> None:
    play(
        TaskStage(),
        [
            (start, ["< session.created", "open"]),
            (update(format=PCM_16K), UPDATED),
            (opened, []),
            (append(100), [RUN]),
            (append(100), []),
            (task_started, ["> audio 3200", "> audio 3200"]),
            (append(1000), ["> audio 16000", "> audio 16000"]),
        ],
    )


def test_a_detected_turn() -> None:
    play(
        begun(detecting()),
        [
            (result(1, "", 100, sentence_begin=True), []),
            (result(1, "hi", 100), ["< speech_started item_1 100"]),
            (result(1, "hey", 100), []),
            (heartbeat, []),
            (result(1, "Hi.", 100, 400, {"duration": 1}), SAID[1:]),
            (result(1, "Hi.", 100, 400, {"duration": 1}), []),
            (result(1, "Hello.", 100, 400), []),
        ],
    )


def test_manual_turns_are_tasks_on_one_connection() -> None:
    play(
        by_hand(),
        [
            (append(500), [RUN_BY_HAND]),
            (task_started, ["> audio 16000"]),
            (result(1, "one", 100, 200), []),
            (commit, [*NEW, "< delta item_1 'one'", "> finish"]),
            (append(500), []),
            (result(2, "two", 300), []),
            (result(2, "two.", 300, 400, {"duration": 1}), ["< delta item_1 ' two.'"]),
            (task_finished, ["< completed item_1 'one two.' 1.0", RUN_BY_HAND]),
            (task_started, ["> audio 16000"]),
            (commit, [*SECOND, "> finish"]),
            (tell("task-finished", {"output": {}, "usage": None}), ["< completed item_2 '' 0.5"]),
        ],
    )


@pytest.mark.parametrize("code", ["EmptyAudio", "NO_VALID_AUDIO_ERROR"])
def test_a_silent_manual_turn_is_empty(code: str) -> None:
    play(
        begun(by_hand()),
        [
            (commit, [*NEW, "> finish"]),
            (task_failed(code), ["< completed item_1 '' 1.0", "close"]),
            (append(100), ["open"]),
        ],
    )


@pytest.mark.parametrize(
    "error",
    [
        task_failed("CLIENT_ERROR", "request timeout after 23 seconds."),
        task_failed("RequestTimeOut", "Response timeout!"),
        task_failed("NO_VALID_AUDIO_ERROR"),
        task_failed("Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
        tell("task-finished"),
    ],
)
def test_a_task_that_ends_by_itself_is_replaced(error: object) -> None:
    for stage, run in ((begun(detecting()), RUN), (begun(by_hand()), RUN_BY_HAND)):
        assert "close" == stage.step(error)[0]  # type: ignore[arg-type] # a step
        stage.step(append(100))
        play(
            stage,
            [(later(1.0), []), (opened, [run]), (task_started, ["> audio 16000", "> audio 16000", "> audio 3200"])],
        )


def test_the_end_of_an_idle_connection_is_no_error() -> None:
    stage = by_hand(limits=SessionLimits(attempts=0))
    play(
        stage,
        [
            (later(60.0), []),
            (lost(), []),
            (append(500), ["open"]),
            (opened, [RUN_BY_HAND]),
            (task_started, ["> audio 16000"]),
            (commit, [*NEW, "> finish"]),
            (task_finished, ["< completed item_1 '' 0.5"]),
            (later(60.0), []),
            (append(500), [RUN_BY_HAND]),
            (lost(), ["open"]),
            (opened, [RUN_BY_HAND]),
            (task_started, ["> audio 16000"]),
        ],
    )
    assert stage.bridge.reconnections == 0


@pytest.mark.parametrize("steps", [[append(500)], [append(500), task_started], [append(500), task_started, commit]])
def test_a_connection_that_is_lost_with_a_task_is_replaced(steps: list[object]) -> None:
    stage = by_hand()
    for step in steps:
        stage.step(step)  # type: ignore[arg-type] # a step
    stage.step(lost(ServiceUnavailable("cut")))
    stage.step(append(500))
    stage.step(opened)
    play(stage, [(task_started, ["> audio 16000", *(["> finish"] if commit in steps else ["> audio 16000"])])])


def test_a_task_that_does_not_start_is_given_up() -> None:
    stage = by_hand()
    play(
        stage,
        [
            (append(500), [RUN_BY_HAND]),
            (later(9.9), []),
            (later(0.2), ["close"]),
            (append(500), ["open"]),
            (opened, [RUN_BY_HAND]),
            (task_started, ["> audio 16000", "> audio 16000"]),
        ],
    )


def test_a_pause_in_a_manual_turn_makes_two_tasks_and_one_item() -> None:
    play(
        begun(by_hand(), 500),
        [
            (later(14.9), []),
            (later(0.2), ["> finish"]),
            (result(1, "one", 100, 400), []),
            (task_finished, []),
            (later(100.0), []),
            (append(500), [RUN_BY_HAND]),
            (task_started, ["> audio 16000"]),
            (result(1, "two", 100, 400), []),
            (commit, [*NEW, "< delta item_1 'one two'", "> finish"]),
            (task_finished, ["< completed item_1 'one two' 1.0"]),
        ],
    )


def test_a_pause_in_a_detected_turn_ends_it() -> None:
    play(
        begun(detecting()),
        [
            (result(1, "Hi", 100), ["< speech_started item_1 100"]),
            (later(15.1), ["> finish"]),
            (result(1, "Hi.", 100, 400, {"duration": 1}), SAID[1:]),
            (task_finished, []),
            (append(500), [RUN]),
        ],
    )


def test_a_pause_in_a_joined_turn_ends_the_task_only() -> None:
    stage = TaskStage()
    live = client("session.update", session={"turn_detection": None, "dashscope": {"live_deltas": True}})
    for step in (start, update(format=PCM_16K), live, opened, append(500)):
        stage.step(step)
    play(
        stage,
        [
            (task_started, ["> audio 16000"]),
            (
                result(1, "one", 100, 400, words=[{"text": "one", "begin_time": 100, "end_time": 400}]),
                ["< delta item_1 'one'"],
            ),
            (later(15.1), ["> finish"]),
            (task_finished, []),
            (append(500), ["> run max_sentence_silence=800"]),
            (task_started, ["> audio 16000"]),
            (
                result(1, "two", 100, 400, words=[{"text": "two", "begin_time": 100, "end_time": 400}]),
                ["< delta item_1 ' two'"],
            ),
            (commit, [*NEW, "> finish"]),
            (task_finished, ["< completed item_1 'one two' 1.0"]),
        ],
    )
    words = stage.frames[-1]["dashscope"]["words"]
    assert [("one", 0.1, 1), ("two", 0.6, 2)] == [(word["word"], word["start"], word["sentence_id"]) for word in words]


def test_a_task_without_sound_is_finished() -> None:
    stage = by_hand()
    play(
        stage,
        [
            (append(500), [RUN_BY_HAND]),
            (clear, ["< cleared"]),
            (task_started, []),
            (later(14.9), []),
            (later(0.2), ["> finish"]),
            (task_failed("NO_VALID_AUDIO_ERROR"), ["close"]),
            (append(500), ["open"]),
        ],
    )


def long_turns(stage: TaskStage, seconds: int) -> None:
    for _ in range(seconds):
        stage.step(append(1000))


def test_a_long_task_ends_between_two_turns() -> None:
    stage = begun(detecting())
    long_turns(stage, 300)
    play(
        stage,
        [
            (result(1, "Hi.", 100, 300_000), ["< speech_started item_1 100", "< speech_stopped item_1 300500", *NEW,
                                              "< delta item_1 'Hi.'", "< completed item_1 'Hi.' 300.4", "> finish"]),
            (append(500), []),
            (result(2, "Yes", 300_700), []),
            (result(2, "Yes.", 300_700, 300_900), []),
            (task_finished, [RUN]),
            (task_started, ["> audio 16000", "> audio 16000"]),
            (result(1, "Yes", 200), ["< speech_started item_2 300700"]),
        ],
    )  # fmt: skip


def test_a_long_silence_ends_a_task_too() -> None:
    stage = begun(detecting())
    long_turns(stage, 300)
    assert ["> finish"] == stage.step(heartbeat)


def test_a_task_with_many_tokens_ends_between_two_turns() -> None:
    stage = begun(detecting("qwen-audio-3.1-asr-flash-streaming"))
    usage = {"input_tokens": 6001, "output_tokens": 3, "total_tokens": 6004}
    assert "> finish" == stage.step(result(1, "Hi.", 100, 400, usage))[-1]


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        ([], ["< cleared"]),
        ([append(500)], ["< cleared"]),
        ([append(500), task_started], ["< cleared", "> finish"]),
        ([append(500), task_started, result(1, "one", 100)], ["< cleared", "> finish"]),
        ([append(500), task_started, commit], ["< cleared"]),
    ],
)
@pytest.mark.parametrize("make", [by_hand, detecting])
def test_clear(steps: list[object], answer: list[str], make: object) -> None:
    stage: TaskStage = make()  # type: ignore[operator] # one of two
    for step in steps:
        stage.step(step)  # type: ignore[arg-type] # a step
    lines = [line for line in stage.step(clear) if not line.startswith(("< speech", "< comm", "< item"))]
    waits = make is detecting and commit in steps  # for the answer to the commit
    assert lines == ([] if waits else answer)
    for state, step in (("asked", task_started), ("finishing", task_finished), ("finishing", task_finished)):
        if stage.wire.state == state:
            stage.step(step)
    assert "input_audio_buffer.cleared" in [frame["type"] for frame in stage.frames]
    texts = [frame["transcript"] for frame in stage.frames if "transcript" in frame]
    assert texts == ([""] if commit in steps else [])


@pytest.mark.parametrize("steps", [[], [append(500)], [append(500), task_started], [append(500), task_started, commit]])
@pytest.mark.parametrize("make", [by_hand, detecting])
def test_a_session_can_end_in_every_state(steps: list[object], make: object) -> None:
    for end in (closed, shutdown(1.0)):
        stage: TaskStage = make()  # type: ignore[operator] # one of two
        for step in steps:
            stage.step(step)  # type: ignore[arg-type] # a step
        stage.step(end)
        for _ in range(30):
            if stage.bridge.over:
                break
            for state, step in (("asked", task_started), ("finishing", task_finished)):
                if stage.wire.state == state:
                    stage.step(step)
            stage.step(later(0.5))
        assert stage.bridge.over


def test_audio_waits_while_the_socket_is_full() -> None:
    stage = prepared(TaskStage(drain=False), turn_detection=None)
    stage.step(append(4000))
    sent = stage.step(task_started)
    assert 96_000 <= sum(int(line.split()[-1]) for line in sent if "audio" in line) < 128_000


@pytest.mark.parametrize(
    ("model", "rate", "size"), [("fun-asr-realtime", 16_000, 32_000), ("fun-asr-flash-8k-realtime", 8000, 16_000)]
)
@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcm"])
def test_g711_and_pcm_at_the_rate_of_the_model(model: str, rate: int, size: int, kind: str) -> None:
    stage = by_hand(model, format={"type": kind, **({"rate": 24_000} if kind == "audio/pcm" else {})})
    data = sound(1000, 24_000) if kind == "audio/pcm" else b"\xff" * 8000
    lines = stage.step(append(data))
    assert (f"sample_rate={rate}" in lines[0]) == (rate != 16_000)
    stage.step(commit)
    stage.step(task_started)
    assert size == len(stage.sound)


@pytest.mark.parametrize("pace", [1.0, 0.01])
@pytest.mark.parametrize("manual", [False, True])
def test_long_silence_with_a_model_without_heartbeats(manual: bool, pace: float) -> None:
    """Such a task fails after 60 s of silence, by the time of the audio."""
    simulation = Simulation(manual=manual, service=TaskService(model="paraformer-realtime-v1"), limits=SessionLimits())
    pcm = word(1) + silence(150_000) + word(2) + silence(2000)
    for at in range(0, len(pcm), 16_000):
        simulation.connect()
        simulation.append(pcm[at : at + 16_000])
        while simulation.deliver():
            simulation.connect()
        simulation.wait(pace / 2)
    if manual:
        simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert ["w1", "w2"] == simulation.words
    assert [] == simulation.of("error")


@pytest.mark.parametrize("early", [task_finished, result(1, "one", 100), task_failed("CLIENT_ERROR")])
def test_events_before_a_task_has_started_lose_no_sound(early: object) -> None:
    stage = by_hand()
    stage.step(append(500))
    stage.step(early)  # type: ignore[arg-type] # a step
    stage.step(append(500))
    if stage.wire.state != "asked":
        assert [RUN_BY_HAND] == stage.step(opened)
    assert ["> audio 16000", "> audio 16000"] == stage.step(task_started)
