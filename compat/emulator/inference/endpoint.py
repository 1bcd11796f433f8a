"""WebSocket endpoint `/api-ws/v1/inference` (run-task). The key is in the Authorization header or in `?api_key=`."""

from __future__ import annotations

import uuid
from functools import partial

from starlette.routing import BaseRoute
from starlette.websockets import WebSocket

from compat.emulator.inference.messages import Action, TaskEvent, failed
from compat.emulator.inference.session import TaskSession
from compat.emulator.inference.task import CLOSED
from compat.emulator.live_faults import Erring, Fail, Reject
from compat.emulator.live_records import LiveRecord
from compat.emulator.origins import page_refusal
from compat.emulator.realtime.connection import LiveConnection, accept, socket_routes
from compat.emulator.state import Emulator, RequestRecord
from compat.emulator.surface import bearer, own_headers, unauthorised

PATH = "/api-ws/v1/inference"


def routes(emulator: Emulator) -> list[BaseRoute]:
    return socket_routes(PATH, partial(_serve, emulator))


async def _serve(emulator: Emulator, socket: WebSocket) -> None:
    refusal = unauthorised(socket, emulator.keys, socket.query_params.get("api_key", ""))
    if refusal is None and emulator.keys is None and not bearer(socket):
        refusal = page_refusal(socket.headers, emulator.site)
    faults = await accept(emulator, socket, "inference", refusal)
    if faults is None:
        return
    headers = own_headers(socket)
    record = LiveRecord(id=f"sess_{uuid.uuid4().hex[:20]}", model="", headers=headers)

    def on_run(action: Action, context: str | None) -> None:
        """Record a task as a request."""
        emulator.requests.append(
            RequestRecord(
                surface="inference",
                model=action.payload.model or "",
                parameters=action.payload.parameters or {},
                headers=headers,
                context=context,
            )
        )

    session = TaskSession(
        emulator.engine,
        record,
        limits=emulator.limits.inference,
        readings=emulator.readings,
        keep_sound=emulator.live.keep_sound,
        rejects=tuple(fault for fault in faults if isinstance(fault, Reject)),
        on_run=on_run,
    )
    connection = LiveConnection(
        socket,
        session,
        record,
        faults,
        TaskWire(session),
        threaded=emulator.engine.blocking,
        session_seconds=emulator.limits.inference.session_seconds,
    )
    with emulator.live.opened(record):
        await connection.run()


class TaskWire:
    """How fault injection and the connection classify the events of this protocol. An item is a final result."""

    def __init__(self, session: TaskSession) -> None:
        self._session = session

    def kind(self, event: TaskEvent) -> str:
        return event.header.event

    def ends_item(self, event: TaskEvent) -> bool:
        return event.final

    def ends_all(self, event: TaskEvent) -> bool:
        return event.header.event == "task-finished"

    def failed(self, event: TaskEvent, fail: Fail) -> TaskEvent:
        return failed(event.header.task_id, fail.code, fail.message)

    def error(self, erring: Erring) -> TaskEvent:
        return failed(self._session.task_id, erring.code, erring.message)

    def closes(self, event: TaskEvent) -> int | None:
        return CLOSED if event.header.event == "task-failed" else None
