from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from compat.catalogue.rates import POLICY
from compat.dashscope_api.calls import Call, Reply, Submitted, Wait
from compat.dashscope_api.filetrans import OUTAGE, cancel, delays, query, resume, submit, transcribe
from compat.dashscope_api.inline import context_messages
from compat.errors import (
    BadAudio,
    CompatError,
    FileNotFetched,
    Forbidden,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.transcript import Segment, Surface, Transcript, Usage
from tests.dashscope_api.support import answer, json_of, play, request
from tests.dashscope_api.test_uploads import SEND, granted

MODELS: dict[Surface, str] = {
    "filetrans": "qwen3-asr-flash-filetrans",
    "transcription": "fun-asr",
    "filetrans-3": "qwen-audio-3.1-asr-flash-filetrans",
}
ADDRESS = "http://results.example/r.json?Signature=s"
FETCH = Call(method="GET", url=ADDRESS, key=False)
SENTENCE = {"begin_time": 0, "end_time": 1440, "text": "欢迎。", "language": "zh", "emotion": "neutral"}
FILE = {"transcripts": [{"channel_id": 0, "text": "欢迎。", "sentences": [SENTENCE]}]}
SEGMENT = Segment(text="欢迎。", start=0.0, end=1.44, language="zh", emotion="neutral")


def state(status: str, usage: dict[str, Any] | None = None, **output: object) -> Reply:
    body: dict[str, Any] = {"request_id": "r", "output": {"task_id": "t-1", "task_status": status, **output}}
    return answer({**body, "usage": usage} if usage else body)


def transcript_of(surface: Surface = "filetrans", **changes: Any) -> Transcript:  # noqa: ANN401 (any member of Transcript)
    known: dict[str, Any] = {
        "text": "欢迎。",
        "segments": (SEGMENT,),
        "language": "zh",
        "emotion": "neutral",
        **changes,
    }
    return Transcript(duration=2.5, model=MODELS[surface], surface=surface, request_id="r", task_id="t-1", **known)


PENDING, RUNNING = state("PENDING"), state("RUNNING", task_metrics={"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 0})
SUCCEEDED = state("SUCCEEDED", {"seconds": 3}, result={"transcription_url": ADDRESS})


def test_a_file_is_uploaded_and_submitted_and_its_result_fetched() -> None:
    asked = request("filetrans", MODELS["filetrans"])
    steps, transcript = play(
        transcribe(asked, name="a.wav", boundary="B", deadline=60),
        [granted(), answer(b""), PENDING, PENDING, RUNNING, SUCCEEDED, answer(FILE)],
    )

    assert steps == [
        Call(method="GET", url="/api/v1/uploads?action=getPolicy&model=qwen3-asr-flash-filetrans", rate=POLICY),
        SEND,
        submit(asked, "oss://dashscope-instant/u/2026/a.wav"),
        Submitted("t-1"),
        Wait(0.5),
        query("t-1"),
        Wait(0.5),
        query("t-1"),
        Wait(0.5),
        query("t-1"),
        FETCH,
    ]
    assert transcript == transcript_of(usage=Usage(seconds=3.0))


def test_a_file_at_a_public_url_is_not_uploaded() -> None:
    asked = request("filetrans", MODELS["filetrans"])
    steps, _ = play(
        transcribe(asked, name="a.wav", boundary="B", url="https://a.example/a.wav", deadline=60),
        [PENDING, SUCCEEDED, answer(FILE)],
    )

    assert steps[0] == submit(asked, "https://a.example/a.wav")


def test_a_task_submitted_earlier_is_resumed() -> None:
    steps, transcript = play(
        resume(request("filetrans", MODELS["filetrans"]), "t-1", deadline=60), [SUCCEEDED, answer(FILE)]
    )

    assert steps == [Wait(0.5), query("t-1"), FETCH]
    assert transcript == transcript_of(usage=Usage(seconds=3.0))


OSS = "oss://a"
DIALECTS: list[tuple[Surface, dict[str, Any], dict[str, Any]]] = [
    ("filetrans", {}, {"input": {"file_url": OSS}, "parameters": {}}),
    (
        "filetrans",
        {"language": "zh", "context": "ctx", "words": True, "options": {"enable_itn": True, "enable_words": False}},
        {
            "input": {"file_url": OSS},
            "parameters": {"language": "zh", "corpus": {"text": "ctx"}, "enable_itn": True, "enable_words": True},
        },
    ),
    ("transcription", {}, {"input": {"file_urls": [OSS]}, "parameters": {}}),
    (
        "transcription",
        {"language": "zh", "words": True, "options": {"diarization_enabled": True}},
        {"input": {"file_urls": [OSS]}, "parameters": {"language_hints": ["zh"], "diarization_enabled": True}},
    ),
    (
        "transcription",
        {"language": "zh", "options": {"language_hints": ["zh", "en"]}},
        {"input": {"file_urls": [OSS]}, "parameters": {"language_hints": ["zh", "en"]}},
    ),
    (
        "filetrans-3",
        {"language": "zh", "context": "ctx"},
        {
            "input": {"file_url": OSS, "file_urls": [OSS], "context": context_messages("ctx")},
            "parameters": {"language_hints": ["zh"]},
        },
    ),
]


@pytest.mark.parametrize(("surface", "asked", "body"), DIALECTS)
def test_each_surface_gets_its_own_request_body(surface: Surface, asked: dict[str, Any], body: dict[str, Any]) -> None:
    call = submit(request(surface, MODELS[surface], **asked), OSS)

    assert json_of(call) == {"model": MODELS[surface], **body}
    assert ("POST", "/api/v1/services/audio/asr/transcription", False) == (call.method, call.url, call.repeatable)
    assert call.headers["x-dashscope-async"] == "enable"
    assert call.headers["x-dashscope-ossresourceresolve"] == "enable"


def test_a_public_url_needs_no_resolve_header() -> None:
    call = submit(request("filetrans"), "https://a.example/a.wav")

    assert "x-dashscope-ossresourceresolve" not in call.headers


OUTCOMES: dict[str, tuple[Surface, Reply, Usage]] = {
    "result": ("filetrans", SUCCEEDED, Usage(seconds=3.0)),
    "results": (
        "transcription",
        state(
            "SUCCEEDED",
            {"duration": 9},
            results=[{"file_url": "f", "transcription_url": ADDRESS, "subtask_status": "SUCCEEDED"}],
        ),
        Usage(seconds=9.0),
    ),
    "output.output.transcription_url": (
        "filetrans-3",
        state("SUCCEEDED", {"input_tokens": 75, "output_tokens": 4}, output={"transcription_url": ADDRESS}),
        Usage(audio_tokens=75, text_tokens=0, output_tokens=4),
    ),
    "output.output.results": ("filetrans-3", state("SUCCEEDED", output={"results": [ADDRESS]}), Usage()),
    "output.transcription_url": ("filetrans-3", state("SUCCEEDED", transcription_url=ADDRESS), Usage()),
    "nested task_status": (
        "filetrans-3",
        answer({"request_id": "r", "output": {"output": {"task_status": "SUCCEEDED", "transcription_url": ADDRESS}}}),
        Usage(),
    ),
}


@pytest.mark.parametrize(("surface", "ended", "usage"), OUTCOMES.values(), ids=OUTCOMES)
def test_the_result_url_is_found_at_every_documented_place(surface: Surface, ended: Reply, usage: Usage) -> None:
    _, transcript = play(resume(request(surface, MODELS[surface]), "t-1", deadline=60), [ended, answer(FILE)])

    assert transcript == transcript_of(surface, usage=usage)


SILENCES = {
    "task": state("FAILED", code="SUCCESS_WITH_NO_VALID_FRAGMENT", message="no speech"),
    "task that succeeded": state("SUCCEEDED", code="SUCCESS_WITH_NO_VALID_FRAGMENT"),
    "subtask": state("SUCCEEDED", results=[{"subtask_status": "FAILED", "code": "ASR_RESPONSE_HAVE_NO_WORDS"}]),
    "subtask of a failed task": state(
        "FAILED", results=[{"subtask_status": "FAILED", "code": "SUCCESS_WITH_NO_VALID_FRAGMENT"}]
    ),
    "nested": state("FAILED", output={"code": "ASR_RESPONSE_HAVE_NO_WORDS"}),
}


@pytest.mark.parametrize("ended", SILENCES.values(), ids=SILENCES)
def test_silence_is_an_empty_transcript(ended: Reply) -> None:
    steps, transcript = play(resume(request("filetrans", MODELS["filetrans"]), "t-1", deadline=60), [ended])

    assert steps == [Wait(0.5), query("t-1")]
    assert transcript == transcript_of(text="", segments=(), language=None, emotion=None)


FAILURES: dict[str, tuple[Reply, type[CompatError], str]] = {
    "task": (
        state("FAILED", code="FILE_403_FORBIDDEN", message="403"),
        FileNotFetched,
        "FILE_403_FORBIDDEN, request r",
    ),
    "media": (state("FAILED", code="DECODE_ERROR", message="bad"), BadAudio, "bad"),
    "all subtasks": (state("FAILED", code="InvalidFile.DownloadFailed", message="m"), FileNotFetched, "Downl"),
    "subtask under success": (
        state("SUCCEEDED", results=[{"subtask_status": "FAILED", "code": "FILE_CHECK_FAILED", "message": "m"}]),
        BadAudio,
        "FILE_CHECK_FAILED",
    ),
    "no code": (state("FAILED"), ServiceFailed, "ended without a result"),
    "success without a result": (state("SUCCEEDED"), ServiceFailed, "ended without a result"),
    "expired": (state("UNKNOWN"), ServiceFailed, "UNKNOWN, request r"),
    "cancelled": (state("CANCELED"), ServiceFailed, "cancelled"),
}


@pytest.mark.parametrize(("ended", "error", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failed_task_raises(ended: Reply, error: type[CompatError], message: str) -> None:
    with pytest.raises(error, match=message):
        play(resume(request("filetrans"), "t-1", deadline=60), [PENDING, ended])


def test_a_suspended_task_is_polled_again() -> None:
    steps, _ = play(resume(request("filetrans"), "t-1", deadline=60), [state("SUSPENDED"), SUCCEEDED, answer(FILE)])

    assert steps.count(query("t-1")) == 2


DOWN = ServiceUnavailable("down")
NONSENSE = answer({"output": {}})


def test_a_query_is_repeated_while_the_service_is_down() -> None:
    down: list[Reply | CompatError] = [DOWN, NONSENSE, RateLimited("slow"), ServiceTimedOut("late")] * 25
    replies = [RUNNING, *down, RUNNING, *down, SUCCEEDED, answer(FILE)]
    steps, transcript = play(resume(request("filetrans"), "t-1", deadline=10_000), replies)

    assert (steps.count(query("t-1")), transcript.text) == (203, "欢迎。")


QUERIES: dict[str, tuple[list[Reply | CompatError], type[CompatError]]] = {
    "forbidden": ([Forbidden("no")], Forbidden),
    "an error instead of a status": ([answer({"code": "AccessDenied", "message": "no"})], Forbidden),
}


@pytest.mark.parametrize(("replies", "error"), QUERIES.values(), ids=QUERIES)
def test_a_refused_query_ends_the_flow(replies: list[Reply | CompatError], error: type[CompatError]) -> None:
    with pytest.raises(error):
        play(resume(request("filetrans"), "t-1", deadline=60), replies)


@pytest.mark.parametrize("failure", [DOWN, NONSENSE])
@pytest.mark.parametrize(("deadline", "longest"), [(60, 60.0), (10_000, OUTAGE)])
def test_failing_queries_end_the_flow_after_an_outage_or_at_the_deadline(
    failure: Reply | CompatError, deadline: float, longest: float
) -> None:
    flow = resume(request("filetrans"), "t-1", deadline=deadline)
    waited, step = 0.0, next(flow)
    with pytest.raises((ServiceUnavailable, ServiceFailed)):  # noqa: PT012 - the flow ends at any step
        while waited < 2 * longest:
            match step:
                case Wait(seconds):
                    waited += seconds
                    step = flow.send(None)
                case _ if isinstance(failure, CompatError):
                    step = flow.throw(failure)
                case _:
                    step = flow.send(failure)

    assert longest <= waited < longest + 5


def test_a_refused_result_is_fetched_again_from_a_new_url() -> None:
    moved = state("SUCCEEDED", result={"transcription_url": "https://new.example/r"})
    steps, transcript = play(
        resume(request("filetrans", MODELS["filetrans"]), "t-1", deadline=60),
        [SUCCEEDED, Forbidden("expired"), moved, answer(FILE)],
    )

    calls = [step for step in steps if isinstance(step, Call)]
    assert calls == [query("t-1"), FETCH, query("t-1"), Call(method="GET", url="https://new.example/r", key=False)]
    assert transcript.text == "欢迎。"


def test_a_result_is_fetched_again_while_its_store_is_down() -> None:
    down: list[Reply | CompatError] = [answer(b"busy", 503), SUCCEEDED, ServiceFailed("lost"), DOWN, SUCCEEDED]
    _, transcript = play(resume(request("filetrans"), "t-1", deadline=10_000), [SUCCEEDED, *down * 10, answer(FILE)])

    assert transcript.text == "欢迎。"


GONE = answer(b"gone", 404)
UNFETCHED: dict[str, list[Reply | CompatError]] = {
    "refused": [Forbidden("no"), SUCCEEDED, Forbidden("no"), SUCCEEDED],
    "refused by status": [GONE, SUCCEEDED, GONE, SUCCEEDED],
    "a page": [answer(b"<html>")],
    "another document": [answer({})],
    "an error of a gateway": [answer({"code": "Busy", "message": "later"})],
}


@pytest.mark.parametrize("replies", UNFETCHED.values(), ids=UNFETCHED)
def test_an_unavailable_result_raises_service_failed(replies: list[Reply | CompatError]) -> None:
    with pytest.raises(ServiceFailed):
        play(resume(request("filetrans"), "t-1", deadline=60), [SUCCEEDED, *replies])


def test_a_submission_without_a_task_id_raises_service_failed() -> None:
    flow = transcribe(request("filetrans"), name="a.wav", boundary="B", url="https://a.example/a", deadline=60)

    with pytest.raises(ServiceFailed, match="returned no task id"):
        play(flow, [answer({"output": {"task_status": "PENDING"}})])


def test_waiting_ends_at_the_deadline() -> None:
    with pytest.raises(ServiceTimedOut, match="within 2 s"):
        play(resume(request("filetrans"), "t-1", deadline=2), [RUNNING] * 4)


def test_a_poll_delay_is_at_most_a_twentieth_of_the_time_waited() -> None:
    waited, seen = 0.0, list(islice(delays(), 200))
    for delay in seen:
        assert delay <= max(0.5, 0.05 * waited)
        waited += delay

    assert (seen[0], seen[-1]) == (0.5, 5.0)


def test_the_cancel_request() -> None:
    assert cancel("t-1") == Call(method="POST", url="/api/v1/tasks/t-1/cancel")


def test_a_closed_flow_yields_nothing_more() -> None:
    flow = resume(request("filetrans"), "t-1", deadline=60)
    next(flow)

    flow.close()

    assert next(flow, "ended") == "ended"
