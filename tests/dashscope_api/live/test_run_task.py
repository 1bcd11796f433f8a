"""The run-task protocol: frames for the service, and its frames as reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat.dashscope_api.live import turns
from compat.dashscope_api.live.run_task import RunTask
from compat.errors import BadRequest, CompatError, ModelNotFound, RateLimited, ServiceFailed, ServiceTimedOut

VAD = turns.Detection(0.2, 500)
FULL = {
    "language": "fil",
    "context": "Qwen",
    "vocabulary": {"Qwen": 4},
    "vocabulary_id": "v1",
    "options": {"keep_dialect": True, "x": 1},
}
PCM = {"format": "pcm", "sample_rate": 16000}


def ask(dialect: RunTask, setup: turns.Setup) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(dialect.setup(setup, "e1"))
    return frame


def running(**fields: Any) -> tuple[RunTask, str]:  # noqa: ANN401 - of a Setup
    """Return a dialect with a task, and the task's id."""
    dialect = RunTask()
    frame = ask(dialect, turns.Setup(model="qwen-audio-3.1-asr-flash-streaming", **fields))
    return dialect, frame["header"]["task_id"]


def event(task: str, kind: str, payload: object = None, **header: object) -> str:
    return json.dumps({"header": {"task_id": task, "event": kind, **header}, "payload": payload or {}})


def result(task: str, usage: object = None, **sentence: object) -> str:
    return event(task, "result-generated", {"output": {"sentence": sentence}, "usage": usage})


@pytest.mark.parametrize(
    ("model", "parameters", "context"),
    [
        (
            "qwen-audio-3.1-asr-flash-streaming",
            {
                "heartbeat": True,
                "max_sentence_silence": 500,
                "language_hints": ["tl"],
                "vocabulary": {"Qwen": 4},
                "vocabulary_id": "v1",
                "keep_dialect": True,
            },
            True,
        ),
        (
            "qwen-audio-3.1-asr-flash-message",
            {
                "heartbeat": True,
                "intermediate_result_enabled": True,
                "vocabulary": {"Qwen": 4},
                "vocabulary_id": "v1",
                "keep_dialect": True,
            },
            True,
        ),
        (
            "fun-asr-realtime",
            {"heartbeat": True, "max_sentence_silence": 500, "language_hints": ["tl"], "vocabulary_id": "v1"},
            True,
        ),
        (
            "fun-asr-realtime-2026-02-28",
            {"heartbeat": True, "max_sentence_silence": 500, "language_hints": ["tl"], "vocabulary_id": "v1"},
            False,
        ),
        (
            "paraformer-realtime-8k-v2",
            {"heartbeat": True, "max_sentence_silence": 500, "language_hints": ["tl"], "vocabulary_id": "v1"},
            False,
        ),
        ("paraformer-realtime-v1", {}, False),
    ],
)
def test_run_task_has_what_the_model_takes(model: str, parameters: dict[str, Any], context: bool) -> None:
    frame = ask(RunTask(), turns.Setup(model=model, detection=VAD, **FULL))  # type: ignore[arg-type] # fields of a Setup
    messages = [{"role": "user", "content": [{"type": "input_text", "text": "Qwen"}]}]
    assert frame == {
        "header": {"action": "run-task", "task_id": frame["header"]["task_id"], "streaming": "duplex"},
        "payload": {
            "task_group": "audio",
            "task": "asr",
            "function": "recognition",
            "model": model,
            "parameters": {**PCM, **parameters},
            "input": {"context": messages} if context else {},
        },
    }


@pytest.mark.parametrize(
    ("setup", "parameters"),
    [
        ({}, {"heartbeat": True, "max_sentence_silence": 6000}),
        ({"detection": turns.Detection(0.2, 4000, semantic=True)}, {
            "heartbeat": True, "max_sentence_silence": 4000, "semantic_punctuation_enabled": True,
        }),
        ({"tuning": False, "detection": VAD, "language": "de"}, {"language_hints": ["de"]}),
        ({"tuning": False, "options": {"max_sentence_silence": 300}}, {"max_sentence_silence": 300}),
        ({"format": "opus", "rate": 8000, "tuning": False}, {"format": "opus", "sample_rate": 8000}),
    ],
)  # fmt: skip
def test_parameters(setup: dict[str, Any], parameters: dict[str, Any]) -> None:
    frame = ask(RunTask(), turns.Setup(model="fun-asr-realtime", **setup))
    assert {**PCM, **parameters} == frame["payload"]["parameters"]


def test_audio_context_and_the_end() -> None:
    dialect, task = running()
    header = {"task_id": task, "streaming": "duplex"}
    revised = dialect.revise(turns.Setup(model="fun-asr-realtime", context="Qwen"), "e")
    assert revised is not None
    assert b"\0\1" == dialect.append(b"\0\1", "e")
    assert "continue-task" == json.loads(revised)["header"]["action"]
    assert "Qwen" == json.loads(revised)["payload"]["input"]["context"][0]["content"][0]["text"]
    assert dialect.revise(turns.Setup(model="fun-asr-realtime"), "e") is None
    assert dialect.revise(turns.Setup(model="paraformer-realtime-v2", context="Qwen"), "e") is None
    assert {"header": {"action": "finish-task", **header}, "payload": {"input": {}}} == json.loads(dialect.finish("e"))


def test_opus_is_sent_in_one_ogg_stream_for_each_task() -> None:
    dialect, _ = running(format="opus")
    first, second = dialect.append(b"\xf8\xff\xfe", "e"), dialect.append(b"\xf8\xff\xfe", "e")
    assert first.startswith(b"OggS")
    assert b"OpusHead" in first
    assert b"OpusHead" not in second
    dialect.setup(turns.Setup(model="fun-asr-realtime", format="opus"), "e2")
    assert b"OpusHead" in dialect.append(b"\xf8\xff\xfe", "e")


PARTIAL = {"sentence_id": 1, "begin_time": 170, "end_time": None, "text": "hel"}
FINAL = {"sentence_id": 1, "begin_time": 170, "end_time": 920, "text": "hello.", "sentence_end": True}
OTHER = turns.OtherEvent()


@pytest.mark.parametrize(
    ("sentences", "reports"),
    [
        ([{"sentence_id": 0, "text": "", "heartbeat": True}], [OTHER]),
        ([{}], [OTHER]),
        ([{"sentence_id": 1, "begin_time": 170, "text": "", "sentence_begin": True}], [OTHER]),
        ([PARTIAL], ["started 170", "hel"]),
        ([{**PARTIAL, "heartbeat": None, "stash": {"text": "x"}, "vad_type": 3}], ["started 170", "hel"]),
        ([{**PARTIAL, "begin_time": 169.6}], ["started 170", "hel"]),
        ([PARTIAL, {**PARTIAL, "text": "yel"}], ["started 170", "hel", "yel"]),
        ([FINAL], ["started 170", "stopped 1420", "hello."]),
        ([PARTIAL, FINAL], ["started 170", "hel", "stopped 1420", "hello."]),
        ([{**FINAL, "sentence_end": False}], ["started 170", "stopped 1420", "hello."]),
        ([{**FINAL, "sentence_end": None}], ["started 170", "stopped 1420", "hello."]),
        ([{**FINAL, "end_time": None}], ["started 170", "stopped None", "hello."]),
        ([{**FINAL, "end_time": None, "words": [{"text": "hello", "begin_time": 170, "end_time": 900}]}],
         ["started 170", "stopped 1400", "hello."]),
        ([FINAL, FINAL], ["started 170", "stopped 1420", "hello.", OTHER]),
        ([FINAL, {**FINAL, "text": "hallo."}], ["started 170", "stopped 1420", "hello.", OTHER]),
        ([FINAL, PARTIAL], ["started 170", "stopped 1420", "hello.", OTHER]),
        ([{**FINAL, "text": ""}], [OTHER]),
        ([PARTIAL, {**FINAL, "text": ""}], ["started 170", "hel", "stopped 1420", ""]),
        ([FINAL, {**PARTIAL, "sentence_id": 2, "begin_time": 2000}],
         ["started 170", "stopped 1420", "hello.", "started 2000", "hel"]),
        ([PARTIAL, {**PARTIAL, "sentence_id": 2, "begin_time": 2000}, FINAL],
         ["started 170", "hel", "stopped 2000", "started 2000", "hel", "stopped 1420", "hello."]),
        ([{key: value for key, value in PARTIAL.items() if key != "sentence_id"},
          {key: value for key, value in FINAL.items() if key != "sentence_id"}],
         ["started 170", "hel", "stopped 1420", "hello."]),
    ],
)  # fmt: skip
def test_with_detection_each_sentence_is_a_turn(sentences: list[dict[str, Any]], reports: list[object]) -> None:
    dialect, task = running(detection=VAD)
    read = [report for sentence in sentences for report in dialect.read(result(task, **sentence))]
    assert reports == [_short(report) for report in read]


def _short(report: turns.Report) -> object:
    match report:
        case turns.Started(at_ms=at):
            return f"started {at}"
        case turns.Stopped(at_ms=at):
            return f"stopped {at}"
        case turns.Snapshot(text=text, stash=stash):
            return f"{text}|{stash}" if text else stash
        case turns.Final(text=text):
            return text
        case _:
            return report


@pytest.mark.parametrize(
    ("model", "detection", "stop"),
    [
        ("fun-asr-realtime", VAD, 1420),
        ("fun-asr-realtime", turns.Detection(0.2, 4000, semantic=True), 920),
        ("qwen-audio-3.1-asr-flash-message", VAD, 920),
        ("paraformer-realtime-v1", VAD, 920),
    ],
)
def test_a_turn_ends_with_the_silence_that_was_asked_for(model: str, detection: turns.Detection, stop: int) -> None:
    dialect = RunTask()
    task = ask(dialect, turns.Setup(model=model, detection=detection))["header"]["task_id"]
    assert f"stopped {stop}" == _short(dialect.read(result(task, **FINAL))[1])


def sentence(number: int, text: str, *, final: bool = True) -> dict[str, Any]:
    return {"sentence_id": number, "begin_time": number * 1000, "text": text, "end_time": 9 if final else None}


@pytest.mark.parametrize(
    ("sentences", "snapshots", "transcript"),
    [
        ([sentence(1, "a", final=False)], ["a"], "a"),
        ([sentence(1, "a", final=False), sentence(1, "A.")], ["a", "A.|"], "A."),
        ([sentence(1, "A."), sentence(2, "b", final=False), sentence(2, "B.")], ["A.|", "A.| b", "A. B.|"], "A. B."),
        ([sentence(1, "a", final=False), sentence(2, "B."), sentence(1, "A.")], ["a", "a B.", "A. B.|"], "A. B."),
        ([sentence(1, "A."), sentence(1, "X.")], ["A.|"], "A."),
        ([sentence(1, "A."), sentence(2, "b", final=False)], ["A.|", "A.| b"], "A. b"),
        ([sentence(1, "")], [""], ""),
    ],
)
def test_without_detection_all_sentences_are_one_turn(
    sentences: list[dict[str, Any]], snapshots: list[str], transcript: str
) -> None:
    dialect, task = running()
    read = [report for each in sentences for report in dialect.read(result(task, **each))]
    assert snapshots == [_short(report) for report in read if isinstance(report, turns.Snapshot)]
    dialect.finish("e")
    final, finished = dialect.read(event(task, "task-finished"))
    assert isinstance(final, turns.Final)
    assert (transcript, task) == (final.text, final.turn)
    assert finished == turns.Finished(reusable=True)


def test_words_have_their_times_punctuation_and_sentence() -> None:
    dialect, task = running(detection=VAD)
    words = [
        {"text": "hello", "begin_time": 170, "end_time": 500, "punctuation": ",", "fixed": True},
        {"text": "you", "begin_time": 600.4, "end_time": None, "punctuation": None},
        {"text": "there", "begin_time": None, "end_time": None},
    ]
    final = dialect.read(result(task, **FINAL, words=words, emo_tag="happy"))[-1]
    assert isinstance(final, turns.Final)
    assert "happy" == final.emotion
    assert final.words == (
        turns.TurnWord("hello,", 170, 500, 1),
        turns.TurnWord("you", 600, 600, 1),
        turns.TurnWord("there", 170, 170, 1),
    )


def seconds(value: float) -> turns.TurnUsage:
    return turns.TurnUsage(seconds=value)


def tokens(inputs: int, outputs: int) -> turns.TurnUsage:
    return turns.TurnUsage(input_tokens=inputs, output_tokens=outputs, total_tokens=inputs + outputs)


def counts(inputs: int, outputs: int) -> dict[str, int]:
    return {"input_tokens": inputs, "output_tokens": outputs, "total_tokens": inputs + outputs, "duration": 3}


@pytest.mark.parametrize(
    ("usages", "last", "each", "whole"),
    [
        ([{"duration": 2}, {"duration": 5}], None, [seconds(2), seconds(3)], seconds(5)),
        ([{"duration": 2}, {"duration": 5}], {"duration": 6}, [seconds(2), seconds(3)], seconds(6)),
        ([{"duration": 3}, {"duration": 2}], {"duration": 5}, [seconds(3), seconds(2)], seconds(5)),
        ([{"duration": 2}, {"duration": 3}], {"duration": 5}, [seconds(2), seconds(1)], seconds(5)),
        ([counts(80, 5), counts(130, 9)], counts(130, 9), [tokens(80, 5), tokens(50, 4)], tokens(130, 9)),
        ([counts(80, 5), counts(70, 9)], None, [tokens(80, 5), tokens(70, 9)], tokens(150, 14)),
        ([{"input_tokens": 80, "output_tokens": 5}, None], None, [tokens(80, 5), None], tokens(80, 5)),
        ([None, None], None, [None, None], None),
        ([{}, {"characters": 3}], {}, [None, None], None),
        ([None, None], {"duration": 4}, [None, None], seconds(4)),
    ],
)
def test_usage(
    usages: list[object], last: object, each: list[turns.TurnUsage | None], whole: turns.TurnUsage | None
) -> None:
    for detection, expected in ((VAD, each), (None, [whole])):
        dialect, task = running(detection=detection)
        read = [
            report
            for number, usage in enumerate(usages, 1)
            for report in dialect.read(result(task, usage, **sentence(number, "a")))
        ]
        read += dialect.read(event(task, "task-finished", {"output": {}, "usage": last}))
        assert expected == [report.usage for report in read if isinstance(report, turns.Final)]


def test_the_tokens_of_the_task_are_counted() -> None:
    dialect, task = running(detection=VAD)
    for number, inputs in ((1, 80), (2, 130)):
        dialect.read(result(task, counts(inputs, 1), **sentence(number, "a")))
    assert 130 == dialect.spent
    dialect.setup(turns.Setup(model="fun-asr-realtime"), "e2")
    assert 0 == dialect.spent


@pytest.mark.parametrize("code", ["EmptyAudio", "NO_VALID_AUDIO_ERROR", "ASR_RESPONSE_HAVE_NO_WORDS"])
def test_a_task_without_speech_ends_like_any_other(code: str) -> None:
    dialect, task = running()
    failure = event(task, "task-failed", error_code=code, error_message="no")
    dialect.finish("e")
    assert (turns.Finished(),) == dialect.read(failure)

    dialect, task = running()
    (broken,) = dialect.read(failure)
    assert isinstance(broken, turns.Broken)
    assert broken.error.retryable


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("CLIENT_ERROR", "request timeout after 23 seconds.", ServiceFailed),
        ("RequestTimeOut", "Response timeout!", ServiceTimedOut),
        ("", "Response timeout!", ServiceFailed),
        ("Throttling.RateQuota", "Requests rate limit exceeded, please try again later.", RateLimited),
        ("ModelNotFound", "Model can not be found.", ModelNotFound),
        ("InvalidParameter", "Range of input length should be [1, 8192]", BadRequest),
        ("InvalidParameter", "payload.parameters.sample_rate is wrong", BadRequest),
        ("InvalidParameter", "payload.parameters.keep_dialect is not supported", BadRequest),
    ],
)
def test_failures(code: str, message: str, error: type[CompatError]) -> None:
    dialect, task = running()
    (broken,) = dialect.read(event(task, "task-failed", error_code=code, error_message=message))
    assert isinstance(broken, turns.Broken)
    assert type(broken.error) is error


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("payload.parameters.language_hints must be supported", "language"),
        ("payload.parameters.vocabulary_id is not supported", "vocabulary_id"),
        ("payload.parameters.vocabulary is not supported", "vocabulary"),
        ("payload.input.context is not supported", "context"),
        ("Unknown parameter: heartbeat", "tuning"),
        ("Illegal max_sentence_silence.", "tuning"),
        ("payload.parameters.keep_dialect is not supported", "options"),
    ],
)
def test_a_refused_field_is_named(message: str, field: str) -> None:
    dialect, task = running(detection=VAD, **FULL)
    (refused,) = dialect.read(event(task, "task-failed", error_code="InvalidParameter", error_message=message))
    assert isinstance(refused, turns.SetupRefused)
    assert refused.field == field


def test_a_refused_revision_is_named() -> None:
    dialect, task = running()
    dialect.revise(turns.Setup(model="qwen-audio-3.1-asr-flash-streaming", context="Qwen"), "e")
    message = "payload.input.context is not supported"
    (refused,) = dialect.read(event(task, "task-failed", error_code="InvalidParameter", error_message=message))
    assert isinstance(refused, turns.SetupRefused)


@pytest.mark.parametrize("raw", ["", "[]", "{}", '{"header": {}}', b"\xff", '{"header": {"event": 3}}'])
def test_an_unreadable_frame_breaks_the_session(raw: str | bytes) -> None:
    (broken,) = running()[0].read(raw)
    assert isinstance(broken, turns.Broken)


def test_frames_of_earlier_tasks_and_unknown_events() -> None:
    dialect, task = running(detection=VAD)
    dashed = "-".join((task[:8], task[8:12], task[12:16], task[16:20], task[20:]))
    assert (turns.Opened(),) == dialect.read(event(dashed, "task-started"))
    assert (OTHER,) == dialect.read(event(task, "task-paused"))
    assert (OTHER,) == dialect.read(json.dumps({"header": {"task_id": task, "event": "x"}, "payload": None}))
    assert () == dialect.read(result("old", **FINAL))
    assert (turns.Finished(reusable=True),) == dialect.read(event(task, "task-finished"))
    assert () == dialect.read(result(task, **FINAL))
