"""WebSocket endpoint `/api-ws/v1/realtime?model=…`: checks the upgrade, then runs one session."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import assert_never

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.emulator import refusals
from compat.emulator.faults import Answer, Cut, Fault, Hang, Live, Refuse
from compat.emulator.live_faults import Erring, LiveFault, Sever, Stall, Strike
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits
from compat.emulator.realtime.fault_player import FaultPlayer, encoded
from compat.emulator.realtime.messages import Detail, Error, ServerEvent
from compat.emulator.realtime.session import Session
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator, RequestRecord
from compat.emulator.surface import unauthorised

PATH = "/api-ws/v1/realtime"
REASON = 123  # bytes of the reason in a close frame
AHEAD = 1 << 20  # bytes of messages queued for the engine (24 s of audio), beyond which reading pauses
HEAD = 64  # bytes added for each message
MODEL = re.compile(r"qwen3-asr-flash-realtime(-\d{4}-\d{2}-\d{2})?")


class _Over(Exception):
    """Ends the session. `code` None: without a close frame."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def routes(emulator: Emulator) -> list[BaseRoute]:
    async def live(socket: WebSocket) -> None:
        await _serve(emulator, socket)

    async def no_socket(request: Request) -> Response:
        return refusals.native(refusals.not_supported(request.method), str(uuid.uuid4()))

    return [WebSocketRoute(PATH, live), Route(PATH, no_socket)]


async def _serve(emulator: Emulator, socket: WebSocket) -> None:
    model = socket.query_params.get("model", "")
    headers = {name: value for name, value in socket.headers.items() if name.startswith("x-dashscope-")}
    emulator.counts["realtime"] += 1
    emulator.requests.append(RequestRecord(surface="realtime", model=model, headers=headers))
    fault = emulator.faults.take("realtime")
    try:
        denial = await _denial(emulator, socket, model, fault)
    except WebSocketDisconnect:
        return
    if denial is not None:
        await socket.send_denial_response(denial)
        return
    await socket.accept()
    if not MODEL.fullmatch(model):
        await socket.close(1007, "Model not found")
        return
    record = LiveRecord(id=f"sess_{uuid.uuid4().hex[:20]}", model=model, headers=headers)
    emulator.live.sessions.append(record)
    emulator.live.open += 1
    try:
        await _LiveConnection(emulator, socket, record, _live_faults(fault)).run()
    finally:
        emulator.live.open -= 1


async def _denial(emulator: Emulator, socket: WebSocket, model: str, fault: Fault | None) -> Response | None:
    """The response that refuses the upgrade, or None. Raises WebSocketDisconnect."""
    match fault:
        case Refuse(status, code, message, retry_after):
            refusal = Refusal(status, code, message, retry_after=retry_after)
            return refusals.native(refusal, str(uuid.uuid4()))
        case Answer(body, status, content_type):
            return Response(body, status, media_type=content_type)
        case Hang(seconds):
            await _hang(socket, seconds)
        case _:
            pass
    refused = _refused(emulator, socket, model)
    return refusals.native(refused, str(uuid.uuid4())) if refused else None


def _refused(emulator: Emulator, socket: WebSocket, model: str) -> Refusal | None:
    refused = unauthorised(socket, emulator.keys)
    if refused is not None:
        return refused
    if model in emulator.readings.retired:
        return Refusal(403, "AccessDenied", "Access denied.")
    return None


async def _hang(socket: WebSocket, seconds: float | None) -> None:
    """Waits for so long, or until the client disconnects."""
    try:
        async with asyncio.timeout(seconds):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
    except TimeoutError:
        return
    raise WebSocketDisconnect


def _live_faults(fault: Fault | None) -> tuple[LiveFault, ...]:
    match fault:
        case Live(faults):
            return faults
        case Cut(after):
            return (Sever(after, "bytes"),)
        case _:
            return ()


def _size(message: str | None) -> int:
    return len(message or "") + HEAD


class _LiveConnection:
    def __init__(
        self, emulator: Emulator, socket: WebSocket, record: LiveRecord, faults: tuple[LiveFault, ...]
    ) -> None:
        self._socket = socket
        self._record = record
        self._limits: LiveLimits = emulator.limits.live
        self._fault_player = FaultPlayer(faults)
        self._threaded = emulator.engine.blocking
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queued = 0  # bytes of messages in the queue
        self._drained = asyncio.Event()
        self._session = Session(
            emulator.engine,
            record,
            limits=emulator.limits.live,
            readings=emulator.readings.live,
            keep_sound=emulator.live.keep_sound,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer_all())
            reading = tasks.create_task(self._read(answering))
            answering.add_done_callback(lambda _: reading.cancel())

    async def _read(self, answering: asyncio.Task[None]) -> None:
        """Reads ahead, so that the session ends as soon as the client disconnects."""
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            text: str | None = message.get("text")
            self._queued += _size(text)
            self._queue.put_nowait(text)
            while self._queued > AHEAD:
                self._drained.clear()
                await self._drained.wait()
        if self._record.closed is None:
            self._record.closed = message.get("code", 1006)
        answering.cancel()

    async def _answer_all(self) -> None:
        try:
            async with asyncio.timeout(self._limits.session_seconds):
                await self._send([self._session.opened()])
                while True:
                    await self._answer(await self._next())
        except TimeoutError:
            await self._close(1001, "The session has reached its maximum duration.")
        except WebSocketDisconnect as disconnect:
            self._record.closed = disconnect.code
        except _Over as over:
            if over.code is not None:
                await self._close(over.code, over.reason)

    async def _close(self, code: int, reason: str) -> None:
        self._record.closed = code
        with contextlib.suppress(WebSocketDisconnect):  # the client closed first
            await self._socket.close(code, reason.encode()[:REASON].decode(errors="ignore"))

    async def _next(self) -> str:
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                text = await self._queue.get()
        except TimeoutError as exc:
            raise _Over(1001, "No message was received for too long.") from exc
        self._queued -= _size(text)
        self._drained.set()
        if text is None:
            raise _Over(1007, "Invalid payload data")
        return text

    async def _answer(self, raw: str) -> None:
        events = self._session.receive(raw)
        if self._threaded:
            await self._send_each(iterate_in_threadpool(events))
        else:
            await self._send(events)
        await self._struck()
        if self._limits.audio_seconds is not None and self._record.audio_ms >= self._limits.audio_seconds * 1000:
            raise _Over(1001, "The session has reached its maximum of audio.")

    async def _send_each(self, events: AsyncIterator[ServerEvent]) -> None:
        async for event in events:
            await self._send([event])

    async def _send(self, events: Iterable[ServerEvent]) -> None:
        for event in self._fault_player.events(events):
            await self._socket.send_text(encoded(event))
            await self._struck()

    async def _struck(self) -> None:
        while (strike := self._fault_player.strike(self._record)) is not None:
            await self._strike(strike)

    async def _strike(self, strike: Strike) -> None:
        match strike:
            case Sever(code=code, reason=reason):
                raise _Over(code, reason)
            case Stall(seconds=seconds):
                await self._stall(seconds)
            case Erring():
                await self._err(strike)
            case _:
                assert_never(strike)

    async def _stall(self, seconds: float | None) -> None:
        if seconds is not None:
            await asyncio.sleep(seconds)
            return
        while True:
            await self._next()

    async def _err(self, erring: Erring) -> None:
        detail = Detail(erring.kind, erring.code, erring.message)
        await self._socket.send_text(encoded(Error(event_id=f"event_{uuid.uuid4().hex}", error=detail)))
        if erring.close is not None:
            raise _Over(erring.close, erring.message)
