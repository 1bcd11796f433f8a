"""The task surface: submit, query, list, cancel, and the result files.

Model Studio's recorded-speech pages and "Manage asynchronous tasks" (2026). A submit checks only the request;
a file that cannot be used fails the task, with HTTP 200.
"""

from __future__ import annotations

import datetime
import urllib.parse
import uuid

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import FileResponse, Response

from compat.emulator import biasing, refusals
from compat.emulator.context import Message
from compat.emulator.engine import DistantEngine, EngineTrouble
from compat.emulator.families import LANGUAGES, Family, family
from compat.emulator.faults import Expire, FailFile, FailTask, Slow
from compat.emulator.filetrans import masking, responses, runner
from compat.emulator.refusals import Refusal
from compat.emulator.surface import ApiCall, authorise
from compat.emulator.tasks import FileWork, Status, Task, TaskParameters

MAX_FILES = 100
MAX_PAGE = 100  # tasks of one page


class FileInput(msgspec.Struct, frozen=True):
    file_url: str | None = None
    file_urls: list[str] | None = None
    context: list[Message] | None = None


class SubmitRequest(msgspec.Struct, frozen=True):
    model: str
    input: FileInput
    parameters: TaskParameters = TaskParameters()


async def submit(call: ApiCall) -> Response:
    call.require("model", "input")
    ask = call.decode(SubmitRequest)
    known = _check(call, ask)
    fault = call.fault if isinstance(call.fault, FailTask | FailFile | Slow) else None
    task = Task(
        id=str(uuid.uuid4()),
        model=ask.model,
        family=known,
        account=call.account,
        resolve=call.flag("x-dashscope-ossresourceresolve"),
        parameters=ask.parameters,
        files=[FileWork(url) for url in _urls(known, ask.input)],
        submitted=call.emulator.clock(),
        hints=biasing.hints(call.body),
        fault=fault,
    )
    call.emulator.tasks[task.id] = task
    task.job = call.emulator.spawn(runner.run(call.emulator, task))
    output = {"task_id": task.id, "task_status": Status.PENDING}
    return refusals.json_response({"request_id": call.id, "output": output})


def _check(call: ApiCall, ask: SubmitRequest) -> Family:
    readings = call.emulator.readings
    known = family(ask.model)
    if known is None:
        raise Refusal(404, "ModelNotFound", "Model can not be found.")
    if ask.model in readings.retired:
        raise Refusal(403, "AccessDenied", "Access denied.")
    if not known.takes_files:
        if readings.sync_on_async_denied:
            raise Refusal(403, "AccessDenied", "current user api does not support asynchronous calls.")
        raise refusals.invalid("url error, please check url！")
    if not call.flag("x-dashscope-async"):
        raise Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")
    _check_parameters(call, known, ask.parameters)
    biasing.check(call.body, ask.model)
    return known


def _check_parameters(call: ApiCall, known: Family, parameters: TaskParameters) -> None:
    given = (call.body.get("parameters") if isinstance(call.body, dict) else None) or {}
    try:
        masking.read(parameters.special_word_filter)
    except msgspec.MsgspecError as exc:
        raise refusals.invalid("special_word_filter cannot be read") from exc
    if not parameters.channels:
        raise refusals.invalid("channel_id must name at least one channel")
    if known is not Family.FILETRANS:
        return
    if "language_hints" in given:
        raise refusals.invalid("language_hints is not supported by this model")
    language = parameters.language
    if language and language not in LANGUAGES and call.emulator.readings.refuse_unknown_language:
        raise refusals.invalid(f"Unsupported language: {language}")


def _urls(known: Family, given: FileInput) -> list[str]:
    """Return the URLs of a submission. qwen3 reads only `file_url`: without it, the task fails and not the
    submission."""
    if known is Family.FILETRANS:
        return [given.file_url or ""]
    urls = given.file_urls
    if urls is None and given.file_url is not None and known is Family.AUDIO3_FILES:
        urls = [given.file_url]
    if not urls:
        raise refusals.invalid("input must contain file_urls")
    if len(urls) > (1 if known is Family.AUDIO3_FILES else MAX_FILES):
        raise refusals.invalid("file_urls holds too many files")
    return urls


async def query(call: ApiCall) -> Response:
    """GET, or POST as on Paraformer's page. A task of another account is UNKNOWN.

    Servers query an unknown task to check the service. The response therefore reports an engine that does not work.
    """
    task_id = call.request.path_params["task_id"]
    task = _task(call)
    if task is None:
        if isinstance(call.emulator.engine, DistantEngine):
            try:
                await call.emulator.engine.check()
            except EngineTrouble as exc:
                raise refusals.engine(exc) from exc
        return refusals.json_response({"request_id": call.id, "output": {"task_id": task_id, "task_status": "UNKNOWN"}})
    task.polls += 1
    body = responses.query_body(call.emulator, task, call.base_url, expired=isinstance(call.fault, Expire))
    return refusals.json_response({"request_id": call.id} | body)


def _task(call: ApiCall) -> Task | None:
    task = call.emulator.tasks.get(call.request.path_params["task_id"])
    if task is None or task.account != call.account:
        return None
    return task if call.emulator.clock() < task.expires(call.emulator.limits.result_seconds) else None


async def cancel(call: ApiCall) -> Response:
    task = _task(call)
    seen = None if task is None else task.shown_status(call.emulator.clock())
    cancellable = {Status.PENDING, Status.RUNNING} if call.emulator.readings.cancel_running else {Status.PENDING}
    if task is None or seen not in cancellable:
        message = "Failed to cancel the task, please confirm if the task is in PENDING status."
        raise Refusal(400, "UnsupportedOperation", message)
    if task.job is not None:
        task.job.cancel()
    task.status, task.ended = Status.CANCELED, call.emulator.clock()
    return refusals.json_response({"request_id": call.id})


async def listing(call: ApiCall) -> Response:
    """The account's tasks, newest first. Times are `YYYYMMDDhhmmss`. The page names the list `data` and the official
    package reads `tasks`: the response has both."""
    query = call.request.query_params
    number, size = _number(query, "page_no", 1), _number(query, "page_size", 10)
    if number < 1:
        raise refusals.invalid("page_no must be 1 or more")
    if not 1 <= size <= MAX_PAGE:
        raise refusals.invalid(f"page_size must lie in [1, {MAX_PAGE}]")
    for name in ("start_time", "end_time"):
        _check_time(query, name)
    found = [task for task in reversed(call.emulator.tasks.values()) if _listed(call, task)]
    page = [_entry(call, task) for task in found[(number - 1) * size : number * size]]
    counted = {"total": len(found), "total_page": -(-len(found) // size), "page_no": number, "page_size": size}
    return refusals.json_response({"request_id": call.id, "data": page, "tasks": page} | counted)


def _number(query: QueryParams, name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError as exc:
        raise refusals.invalid(f"{name} must be an integer") from exc


def _check_time(query: QueryParams, name: str) -> None:
    given = query.get(name)
    if given is None:
        return
    try:
        datetime.datetime.strptime(given, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
    except ValueError as exc:
        raise refusals.invalid(f"{name} must have the form YYYYMMDDhhmmss") from exc


def _listed(call: ApiCall, task: Task) -> bool:
    query = call.request.query_params
    at = "".join(filter(str.isdigit, responses.stamp(call.emulator, task.submitted)))[:14]
    return (
        task.account == call.account
        and query.get("model_name", task.model) == task.model
        and query.get("status", task.shown_status(call.emulator.clock())) == task.shown_status(call.emulator.clock())
        and query.get("start_time", at) <= at <= query.get("end_time", at)
    )


def _entry(call: ApiCall, task: Task) -> dict[str, str]:
    status = task.shown_status(call.emulator.clock())
    return {
        "task_id": task.id,
        "model_name": task.model,
        "status": status,
        "submit_time": responses.stamp(call.emulator, task.submitted),
    }


async def result(call: ApiCall) -> Response:
    """Return a result file. Its signed URL needs no API key until it expires."""
    emulator, request = call.emulator, call.request
    if emulator.readings.result_needs_key:
        authorise(request, emulator.keys)
    query = request.query_params
    expires = query.get("Expires", "")
    if query.get("Signature") != responses.signature(emulator, urllib.parse.unquote(request.url.path), expires):
        raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if int(expires) <= emulator.clock():
        raise Refusal(403, "AccessDenied", "Request has expired.")
    task = emulator.tasks.get(request.path_params["task_id"])
    index = request.path_params["index"]
    path = task.files[index].result if task is not None and index < len(task.files) else None
    if path is None:
        raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
    return FileResponse(path, media_type="application/json")
