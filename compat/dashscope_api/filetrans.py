"""Files of up to 12 hours and 2 GB: submit a task, ask for its state, fetch the result file. Times are always told.

POST /api/v1/services/audio/asr/transcription, GET /api/v1/tasks/{id}, three dialects of one protocol:

    surface         models                    in                     out
    filetrans       qwen3-asr-flash-filetrans input.file_url         output.result.transcription_url, usage.seconds
    transcription   fun-asr*, paraformer*     input.file_urls        output.results[], usage.duration
    filetrans-3     qwen-audio-3.*-filetrans  either, so both        output.output or output, whichever has the address

A task that FAILED comes under HTTP 200; one that SUCCEEDED may hold a failed subtask; some codes mean that nobody
spoke. Results live for 24 hours, behind a signed address that may be plain http and takes no key. Queries are limited
to 20 a second and account. (Model Studio: Qwen-ASR API reference, Fun-ASR, "Manage asynchronous tasks", 2026.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from compat.catalogue.rates import QUERY
from compat.dashscope_api.calls import Call, Flow, Submitted, Wait, ask, json_call
from compat.dashscope_api.faults import Answer, check, decode, no_speech, read, task_fault
from compat.dashscope_api.results import Result, prevailing
from compat.dashscope_api.uploads import RESOLVE, upload
from compat.errors import CompatError, ServiceFailed, ServiceTimedOut, TaskLost
from compat.transcript import Request, Transcript, Usage


class Subtask(msgspec.Struct, frozen=True):
    """The outcome of one file. `subtask_status` repeats what is seen from the other members."""

    transcription_url: str | None = None
    code: str | None = None
    message: str | None = None


class TaskOutput(msgspec.Struct, frozen=True):
    """Of a submission and of a query. qwen-audio-3 may nest it."""

    task_id: str | None = None
    task_status: str | None = None
    code: str | None = None
    message: str | None = None
    transcription_url: str | None = None
    result: Subtask | None = None
    results: list[Subtask | str] | None = None
    output: TaskOutput | None = None


class Billed(msgspec.Struct, frozen=True):
    """qwen3 tells `seconds`, fun-asr `duration`, qwen-audio-3.1 is billed by the token."""

    seconds: float | None = None
    duration: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def usage(self) -> Usage:
        return Usage(
            seconds=self.duration if self.seconds is None else self.seconds,
            audio_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )


class Task(Answer, frozen=True, kw_only=True):
    output: TaskOutput | None = None
    usage: Billed | None = None

    @property
    def status(self) -> str:
        """PENDING, RUNNING, SUSPENDED; SUCCEEDED, FAILED, CANCELED, UNKNOWN (over 24 hours old, or never seen)."""
        for output in self._levels():
            if output.task_status:
                return output.task_status
        raise ServiceFailed("DashScope told no state of the task.")

    @property
    def address(self) -> str | None:
        """Where the result file lies. It may be plain http, is signed and takes no key."""
        return next((told.transcription_url for told in self._told() if told.transcription_url), None)

    @property
    def blame(self) -> Subtask:
        """The code and the message of what went wrong: of the task, or of its one subtask."""
        return next((told for told in self._told() if told.code), Subtask(message="The task ended without a result."))

    def _levels(self) -> Iterator[TaskOutput]:
        output = self.output
        while output is not None:
            yield output
            output = output.output

    def _told(self) -> Iterator[Subtask]:
        for output in self._levels():
            yield Subtask(output.transcription_url, output.code, output.message)
            if output.result is not None:
                yield output.result
            for result in output.results or ():
                yield Subtask(result) if isinstance(result, str) else result


URL = "/api/v1/services/audio/asr/transcription"
FAILED_QUERIES = 5
"""How many queries in a row may fail before a running task is given up; each has been retried already."""
UNDER_WAY = ("PENDING", "RUNNING", "SUSPENDED")


def transcribe(
    request: Request, *, name: str, boundary: str, url: str | None = None, deadline: float
) -> Flow[Transcript]:
    """Uploads the file, unless it lies at a public `url`, has it transcribed and returns the transcript.

    `name` and `boundary`: see `upload`. `deadline`: how many seconds of waiting a task may take. Tells by Submitted
    which task was begun, so that it can be resumed, or cancelled when the flow is given up. Raises FileNotFetched when
    the service cannot read the file at its address, TooLarge (`upload_too_large`) when its storage does not take it,
    TaskLost when it does not know the task any more.
    """
    source = url or (yield from upload(request.model, request.media, name=name, boundary=boundary))
    task = read(Task, (yield from ask(submit(request, source))))
    if task.output is None or not task.output.task_id:
        raise ServiceFailed("DashScope took the task without telling its id.")
    yield Submitted(task.output.task_id)
    return (yield from resume(request, task.output.task_id, deadline=deadline))


def resume(request: Request, task_id: str, *, deadline: float) -> Flow[Transcript]:
    """Waits for a task that was submitted before, and returns its transcript."""
    task = yield from _ended(task_id, deadline)
    for _ in range(2):
        address = _address(task)
        result = Result() if address is None else (yield from _fetched(address))
        if result is not None:
            return _transcript(request, result, task_id, task)
        task = read(Task, (yield from ask(query(task_id))))  # which signs the address again
    raise ServiceFailed("DashScope transcribed the file, but its result could not be fetched.")


def submit(request: Request, source: str) -> Call:
    """The submission of a file at `source`, an http(s) or oss address. Sent twice it would be paid twice."""
    match request.surface:
        case "filetrans":
            file: dict[str, Any] = {"file_url": source}
            parameters = _qwen3_parameters(request)
        case "filetrans-3":
            file = {"file_url": source, "file_urls": [source]}
            parameters = _parameters(request, **({"context": [request.context]} if request.context else {}))
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
    return Call(method="GET", url=f"/api/v1/tasks/{task_id}", rate=QUERY)


def cancel(task_id: str) -> Call:
    """Cancels a task. Only one that is still PENDING can be; for others the service answers with an error."""
    return Call(method="POST", url=f"/api/v1/tasks/{task_id}/cancel")


def delays(first: float = 0.5, share: float = 0.05, ceiling: float = 5.0) -> Iterator[float]:
    """Seconds to wait before each query: a share of the time waited so far, which is how late an answer may be."""
    waited = 0.0
    while True:
        delay = min(max(first, waited * share), ceiling)
        yield delay
        waited += delay


def _qwen3_parameters(request: Request) -> dict[str, Any]:
    """`enable_words` gives words their times and makes sentences shorter: they end at punctuation too."""
    return {
        **({"language": request.language} if request.language else {}),
        **({"corpus": {"text": request.context}} if request.context else {}),
        **request.options,
        **({"enable_words": True} if request.words else {}),
    }


def _parameters(request: Request, **more: object) -> dict[str, Any]:
    """For the models that always tell words; `language_hints` is theirs, and refused by qwen3."""
    return {**({"language_hints": [request.language]} if request.language else {}), **more, **request.options}


def _ended(task_id: str, deadline: float) -> Flow[Task]:
    """The task when it has ended, in whatever way. A query that fails is only a delay, until too many fail in a row."""
    waited, failed = 0.0, 0
    for seconds in delays():
        if waited >= deadline:
            raise ServiceTimedOut(f"DashScope did not finish the task {task_id} within {deadline:.0f} s.")
        yield Wait(seconds)
        waited += seconds
        try:
            task = read(Task, (yield from ask(query(task_id))))
            if task.status not in UNDER_WAY:
                return task
        except CompatError as error:
            failed += 1
            if not error.retryable or failed == FAILED_QUERIES:
                raise
        else:
            failed = 0
    raise AssertionError("delays() never ends")


def _address(task: Task) -> str | None:
    """Where the result lies, None when nobody spoke. Raises what became of a task that brought no result."""
    status, blame = task.status, task.blame
    if no_speech(blame.code):
        return None
    if status == "CANCELED":
        raise ServiceFailed(f"The task was cancelled at DashScope (DashScope: {status}, request {task.request_id}).")
    if status == "UNKNOWN":
        raise TaskLost(f"DashScope does not know the task (DashScope: {status}, request {task.request_id}).")
    if status == "SUCCEEDED" and task.address:
        return task.address
    raise task_fault(blame.code, blame.message, task.request_id)


def _fetched(address: str) -> Flow[Result | None]:
    """The result file, or None when the object store does not give it."""
    try:
        reply = check((yield from ask(Call(method="GET", url=address, key=False))))
    except CompatError:
        return None
    return decode(Result, reply.body)


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
