"""Response bodies of task queries, with signed URLs of results.

Three formats (Model Studio 2026): qwen3 filetrans has one file, `output.result` and `usage.seconds`; fun-asr and
paraformer have a list, `output.results[]` with a status each, and `usage.duration`; qwen-audio-3 is like fun-asr, or
nested in one more `output`; qwen-audio-3.1 bills tokens. A failed task is returned with HTTP 200.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import urllib.parse
from typing import Any, assert_never

from compat.emulator.families import Family
from compat.emulator.state import Emulator
from compat.emulator.tasks import FileWork, Status, Task
from compat.emulator.usage import counted

BEIJING = datetime.timezone(datetime.timedelta(hours=8))


def query_body(emulator: Emulator, task: Task, base_url: str, *, expired: bool = False) -> dict[str, Any]:
    """Return the body of a query without its request id. `expired`: the result URL has already expired."""
    status = task.shown_status(emulator.clock())
    output: dict[str, Any] = {"task_id": task.id, "task_status": status} | _times(emulator, task, status)
    if status in {Status.PENDING, Status.CANCELED}:
        return {"output": output}
    if task.family is not Family.FILETRANS or status is Status.RUNNING:
        output["task_metrics"] = _metrics(task, status)
    if status is Status.RUNNING:
        return {"output": output}
    if task.failure is not None:
        output |= {"code": task.failure.code, "message": task.failure.message}
        return {"output": output | ({} if task.family is Family.FILETRANS else {"results": _failures(task)})}
    addresses = [result_url(emulator, task, index, base_url, expired) for index in range(len(task.files))]
    billed = sum(work.billed for work in task.files)
    if task.family is Family.FILETRANS:
        return {"output": output | {"result": {"transcription_url": addresses[0]}}, "usage": {"seconds": billed}}
    usage = counted(
        tokens=task.model.startswith("qwen-audio-3.1"),
        ms=billed * 1000,
        sentences=len(task.files),
        output_tokens=sum(work.output_tokens for work in task.files),
    )
    return {"output": output | _results(emulator, task, addresses), "usage": usage}


def _results(emulator: Emulator, task: Task, addresses: list[str]) -> dict[str, Any]:
    results = [_result(work, address) for work, address in zip(task.files, addresses, strict=True)]
    if task.family is not Family.AUDIO3_FILES:
        return {"results": results}
    match emulator.readings.audio3_files:
        case "single":
            return {"result": results[0]}
        case "nested":
            return {"output": {"transcription_url": addresses[0], "results": results}}
        case "list":
            return {"results": results}
        case _:
            assert_never(emulator.readings.audio3_files)


def _result(work: FileWork, address: str) -> dict[str, Any]:
    if work.failure is not None:
        failure = {"code": work.failure.code, "message": work.failure.message}
        return {"file_url": work.url, **failure, "subtask_status": Status.FAILED}
    return {"file_url": work.url, "transcription_url": address, "subtask_status": Status.SUCCEEDED}


def _failures(task: Task) -> list[dict[str, Any]]:
    return [_result(work, "") for work in task.files if work.failure is not None]


def _metrics(task: Task, status: Status) -> dict[str, int]:
    ended = status is not Status.RUNNING
    failed = sum(work.failure is not None for work in task.files) if ended else 0
    succeeded = len(task.files) - failed if ended and task.failure is None else 0
    return {"TOTAL": len(task.files), "SUCCEEDED": succeeded, "FAILED": failed}


def _times(emulator: Emulator, task: Task, status: Status) -> dict[str, str]:
    """Return the times of a task as `YYYY-MM-DD HH:MM:SS.mmm`, each from its state on."""
    times = {"submit_time": stamp(emulator, task.submitted)}
    if status is not Status.PENDING and task.scheduled is not None:
        times["scheduled_time"] = stamp(emulator, task.scheduled)
    if status in {Status.SUCCEEDED, Status.FAILED, Status.CANCELED} and task.ended is not None:
        times["end_time"] = stamp(emulator, task.ended)
    return times


def stamp(emulator: Emulator, at: float) -> str:
    zone = datetime.UTC if emulator.readings.task_times_utc else BEIJING
    return datetime.datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def result_url(emulator: Emulator, task: Task, index: int, base_url: str, expired: bool) -> str:
    """Return a signed URL, valid for `Limits.result_seconds`."""
    expires = str(int(emulator.clock() + (-60 if expired else emulator.limits.result_seconds)))
    path = f"/emulator/results/{task.id}/{index}.json"
    query = urllib.parse.urlencode({"Expires": expires, "Signature": signature(emulator, path, expires)})
    return f"{base_url}{path}?{query}"


def signature(emulator: Emulator, path: str, expires: str) -> str:
    return hmac.new(emulator.secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
