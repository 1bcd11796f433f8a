"""Opens live sessions without audio, to see whether the service takes them. Nothing is billed."""

from __future__ import annotations

import asyncio
import uuid

import msgspec

from compat.catalogue import live
from compat.cli.checks import TIMEOUT
from compat.config.principal import Principal
from compat.dashscope_api.live import turns
from compat.dashscope_api.live.protocols import dialect
from compat.dashscope_api.live.task_messages import (
    RunPayload,
    TaskAction,
    TaskActionHeader,
    TaskInput,
    TaskPayload,
    decode,
    encode,
)
from compat.errors import BadRequest, Forbidden, ModelNotFound, NotFound, ServiceFailed, ServiceTimedOut
from compat.upstream.advice import advised
from compat.upstream.sockets import Connection, Sockets


class _Event(msgspec.Struct):
    type: str = ""


async def greet(sockets: Sockets, model: str, principal: Principal, root: str = "") -> None:
    """Open a session of `model` and wait until the service has begun it. Raises CompatError; a refusal of the model
    says which setting to check. `root`: the service's address."""
    try:
        connection = await sockets.open(model, principal)
        try:
            async with asyncio.timeout(TIMEOUT):
                match live.row(model).protocol:
                    case "run-task":
                        await _task(connection, model)
                    case "realtime":
                        await _event(connection, model)
                    case "livetranslate":
                        await _event(connection, model)
                        settings = turns.Setup(model=model, translation=turns.Translation())
                        await connection.send(dialect(model).setup(settings, "doctor"))
                        await _event(connection, model)
        except TimeoutError:
            raise ServiceTimedOut("DashScope's live service did not answer in time.") from None
        finally:
            await connection.close()
    except (BadRequest, Forbidden, NotFound) as exc:
        advice = advised(exc, model, root)
        if advice is exc and not isinstance(exc, BadRequest | Forbidden | ModelNotFound):
            raise
        raise ServiceFailed(advice.message) from exc


async def _event(connection: Connection, model: str) -> None:
    """Wait for an event that is not an error. Raises CompatError."""
    raw = await anext(connection)
    if msgspec.json.decode(raw, type=_Event).type != "error":
        return
    for report in dialect(model).read(raw):
        if isinstance(report, turns.Refused | turns.Broken | turns.SetupRefused):
            raise report.error
    raise ServiceFailed(f"The model {model} is refused.")


async def _task(connection: Connection, model: str) -> None:
    task_id = uuid.uuid4().hex
    sound = {"format": "pcm", "sample_rate": live.row(model).rate}
    payload = RunPayload(model=model, parameters=sound, input=TaskInput())
    await connection.send(encode(TaskAction(TaskActionHeader(action="run-task", task_id=task_id), payload)))
    event = decode(await anext(connection)).header
    if event.event != "task-started":
        raise ServiceFailed(f"The model {model} is refused: {event.error_code} {event.error_message}.")
    finish = TaskActionHeader(action="finish-task", task_id=task_id)
    await connection.send(encode(TaskAction(finish, TaskPayload())))
