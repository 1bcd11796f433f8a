"""File tasks, for audio of up to 12 hours and 2 GB: submit a task, poll its status, fetch the result file.

Results always have timestamps. The three surfaces share POST /api/v1/services/audio/asr/transcription and
GET /api/v1/tasks/{id} and differ in the bodies:

    surface         models                    in                     out
    filetrans       qwen3-asr-flash-filetrans input.file_url         output.result.transcription_url, usage.seconds
    transcription   fun-asr*, paraformer*     input.file_urls        output.results[], usage.duration
    filetrans-3     qwen-audio-3.*-filetrans  either, so send both   output.output or output, whichever has the URL

A FAILED task is reported with HTTP 200. A SUCCEEDED task may contain a failed subtask. Some codes mean that the audio
has no speech. Results are kept for 24 hours at a signed URL, which may use plain http and needs no API key. Status
queries are limited to 20 per second and account. (Model Studio: Qwen-ASR API reference, Fun-ASR, "Manage asynchronous
tasks", 2026.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from compat.catalogue.rates import QUERY
from compat.dashscope_api.calls import Call, Flow, Submitted, Wait, ask, json_call
from compat.dashscope_api.faults import Answer, check, decode, no_speech, read, task_fault
from compat.dashscope_api.inline import context_messages
from compat.dashscope_api.results import NO_SPEECH, Result, prevailing
from compat.dashscope_api.uploads import RESOLVE, upload
from compat.errors import CompatError, ServiceFailed, ServiceTimedOut, TaskLost
from compat.transcript import Request, Transcript, Usage


class Subtask(msgspec.Struct, frozen=True):
    """The result of one file. `subtask_status` is not decoded: the other members imply it."""

    transcription_url: str | None = None
    code: str | None = None
    message: str | None = None


class TaskOutput(msgspec.Struct, frozen=True):
    """`output` of a submission or a query. qwen-audio-3 may nest it in another `output`."""

    task_id: str | None = None
    task_status: str | None = None
    code: str | None = None
    message: str | None = None
    transcription_url: str | None = None
    result: Subtask | None = None
    results: list[Subtask | str] | None = None
    output: TaskOutput | None = None


class TaskUsage(msgspec.Struct, frozen=True):
    """Billed usage: `seconds` from qwen3, `duration` (seconds) from fun-asr, tokens from qwen-audio-3.1."""

    seconds: float | None = None
    duration: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def usage(self) -> Usage:
        return Usage(
            seconds=self.duration if self.seconds is None else self.seconds,
            audio_tokens=self.input_tokens,
            text_tokens=None if self.input_tokens is None else 0,  # qwen-audio-3.1 counts context with the audio
            output_tokens=self.output_tokens,
        )


class Task(Answer, frozen=True, kw_only=True):
    output: TaskOutput | None = None
    usage: TaskUsage | None = None

    @property
    def status(self) -> str:
        """PENDING, RUNNING, SUSPENDED, SUCCEEDED, FAILED, CANCELED or UNKNOWN.

        UNKNOWN means that the task is over 24 hours old or never existed. Raises ServiceFailed if there is no status.
        """
        for output in self._levels():
            if output.task_status:
                return output.task_status
        raise ServiceFailed("DashScope's response has no task status.")

    @property
    def address(self) -> str | None:
        """The signed URL of the result file, which may use plain http and needs no API key."""
        return next((each.transcription_url for each in self._outcomes() if each.transcription_url), None)

    @property
    def failure(self) -> Subtask:
        """The code and message of the error, of the task or else of its subtask."""
        failed = (each for each in self._outcomes() if each.code)
        return next(failed, Subtask(message="The task ended without a result."))

    def _levels(self) -> Iterator[TaskOutput]:
        output = self.output
        while output is not None:
            yield output
            output = output.output

    def _outcomes(self) -> Iterator[Subtask]:
        for output in self._levels():
            yield Subtask(output.transcription_url, output.code, output.message)
            if output.result is not None:
                yield output.result
            for result in output.results or ():
                yield Subtask(result) if isinstance(result, str) else result


URL = "/api/v1/services/audio/asr/transcription"
OUTAGE = 900.0
"""Seconds for which the flow keeps asking for a task, or for its result, while every attempt fails. The task is already
paid for and its result is kept for 24 hours, so giving up early would lose both."""
UNDER_WAY = ("PENDING", "RUNNING", "SUSPENDED")


def transcribe(
    request: Request, *, name: str, boundary: str, url: str | None = None, deadline: float, region: str = ""
) -> Flow[Transcript]:
    """Upload the file, unless it is at a public `url`, transcribe it and return the transcript.

    `name`, `boundary` and `region` are passed to `upload`. `deadline` is the maximum time to wait for the task, in
    seconds. The flow yields Submitted with the id of the task, so that the driver can resume or cancel it. Raises
    FileNotFetched if the service cannot fetch the file, TooLarge (code `upload_too_large`) if its storage does not
    accept the file, TaskLost if the service no longer knows the task, and ServiceTimedOut at the deadline.
    """
    source = url or (yield from upload(request.model, request.media, name=name, boundary=boundary, region=region))
    task = read(Task, (yield from ask(submit(request, source))))
    if task.output is None or not task.output.task_id:
        raise ServiceFailed("DashScope accepted the task but returned no task id.")
    yield Submitted(task.output.task_id)
    return (yield from resume(request, task.output.task_id, deadline=deadline))


def resume(request: Request, task_id: str, *, deadline: float) -> Flow[Transcript]:
    """Wait for a task submitted earlier and return its transcript.

    If the result file cannot be fetched, the task is queried again for a fresh URL: once if the file is refused, for up
    to OUTAGE seconds while the failure is temporary.
    """
    refused = False
    for seconds, failing in _pauses():
        task = yield from _ended(task_id, deadline)
        address = _address(task)
        if address is None:
            return _transcript(request, NO_SPEECH, task_id, task)
        try:
            reply = check((yield from ask(Call(method="GET", url=address, key=False))))
        except CompatError as error:
            if (refused and not error.retryable) or failing >= min(OUTAGE, deadline):
                raise ServiceFailed("DashScope transcribed the file, but its result could not be fetched.") from error
            refused = refused or not error.retryable
            yield Wait(seconds)
        else:
            return _transcript(request, decode(Result, reply.body), task_id, task)
    raise AssertionError("_pauses() never ends")


def submit(request: Request, source: str) -> Call:
    """Return the request that submits the file at `source`, an http(s) or oss URL.

    It is not repeatable: a second submission would be billed too.
    """
    match request.surface:
        case "filetrans":
            file: dict[str, Any] = {"file_url": source}
            parameters = _qwen3_parameters(request)
        case "filetrans-3":
            file = {"file_url": source, "file_urls": [source], **_context(request)}
            parameters = _parameters(request)
        case _:
            file = {"file_urls": [source]}
            parameters = _parameters(request)
    return json_call(
        URL,
        {"model": request.model, "input": file, "parameters": parameters},
        {"x-dashscope-async": "enable", **(RESOLVE if source.startswith("oss://") else {})},
        repeatable=False,
        rate=request.model,
    )


def query(task_id: str) -> Call:
    """Return the request for the status of a task."""
    return Call(method="GET", url=f"/api/v1/tasks/{task_id}", rate=QUERY)


def cancel(task_id: str) -> Call:
    """Return the request that cancels a task. For a task that is no longer PENDING, the service returns an error."""
    return Call(method="POST", url=f"/api/v1/tasks/{task_id}/cancel")


def delays() -> Iterator[float]:
    """Yield the seconds to wait before each query: 5 % of the time waited so far, from 0.5 to 5 s.

    A finished task is thus noticed with a delay of at most 5 % of its duration, or 0.5 s if that is longer.
    """
    waited = 0.0
    while True:
        delay = min(max(0.5, waited * 0.05), 5.0)
        yield delay
        waited += delay


def _qwen3_parameters(request: Request) -> dict[str, Any]:
    """Return the parameters of qwen3. `enable_words` adds word timestamps, and also splits sentences at punctuation."""
    return {
        **({"language": request.language} if request.language else {}),
        **({"corpus": {"text": request.context}} if request.context else {}),
        **request.options,
        **({"enable_words": True} if request.words else {}),
    }


def _parameters(request: Request) -> dict[str, Any]:
    """Return the parameters of the other models, which always return words. qwen3 refuses `language_hints`."""
    return {**({"language_hints": [request.language]} if request.language else {}), **request.options}


def _context(request: Request) -> dict[str, Any]:
    messages = context_messages(request.context)
    return {"context": messages} if messages else {}


def _pauses() -> Iterator[tuple[float, float]]:
    """Yield the seconds to wait before the next attempt, and the seconds waited before."""
    waited = 0.0
    for seconds in delays():
        yield seconds, waited
        waited += seconds


def _ended(task_id: str, deadline: float) -> Flow[Task]:
    """Poll the task until it ends, successfully or not, and return it.

    Raises the error of a query that is not retryable, or that ends OUTAGE seconds of failing queries, and
    ServiceTimedOut after `deadline` seconds of waiting.
    """
    failing, error = 0.0, None
    for seconds, waited in _pauses():
        if waited >= deadline:
            raise error or ServiceTimedOut(f"DashScope did not finish the task {task_id} within {deadline:.0f} s.")
        yield Wait(seconds)
        try:
            task = read(Task, (yield from ask(query(task_id))))
            if task.status not in UNDER_WAY:
                return task
            failing, error = 0.0, None
        except CompatError as failure:
            failing, error = failing + seconds, failure
            if not failure.retryable or failing >= OUTAGE:
                raise
    raise AssertionError("_pauses() never ends")


def _address(task: Task) -> str | None:
    """Return the URL of the result, or None if the audio has no speech. Raises the error of a task without a result."""
    status, failure = task.status, task.failure
    if no_speech(failure.code):
        return None
    if status == "CANCELED":
        raise ServiceFailed(f"The task was cancelled at DashScope (DashScope: {status}, request {task.request_id}).")
    if status == "UNKNOWN":
        raise TaskLost(f"DashScope does not know the task (DashScope: {status}, request {task.request_id}).")
    if status == "SUCCEEDED" and task.address:
        return task.address
    raise task_fault(failure.code, failure.message, task.request_id)


def _transcript(request: Request, result: Result, task_id: str, task: Task) -> Transcript:
    segments = result.segments()
    return Transcript(
        text=result.text(),
        segments=segments,
        language=prevailing(segments, "language") or request.language,
        emotion=prevailing(segments, "emotion"),
        duration=request.media.duration,
        usage=task.usage.usage() if task.usage else Usage(),
        model=request.model,
        surface=request.surface,
        request_id=task.request_id,
        task_id=task_id,
    )
