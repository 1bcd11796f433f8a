"""WebSocket driver of live sessions, for both live protocols: upgrade, reading ahead, fault injection, close."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar, assert_never

import msgspec
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.emulator import refusals
from compat.emulator.faults import Answer, Cut, Fault, Hang, Live, Refuse, SurfaceName
from compat.emulator.live_faults import Erring, LiveFault, Sever, Stall, Strike
from compat.emulator.live_records import LiveRecord
from compat.emulator.realtime.fault_player import FaultPlayer, Wire
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
REASON = 123  # bytes of the reason in a close frame
AHEAD = 1 << 20  # bytes of messages queued for the engine (24 s of audio), beyond which reading pauses
HEAD = 64  # bytes added for each message


class Over(Exception):
    """The exception that ends a session. With `code` None, no close frame is sent."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class LiveMachine(Protocol[E_co]):
    """The state machine of a session. The iterators it returns may raise Over."""

    @property
    def patience(self) -> float | None:
        """Seconds to wait for the next message; None for no limit."""

    def opened(self) -> Iterable[E_co]: ...

    def receive(self, message: str | bytes) -> Iterator[E_co]: ...

    def timed_out(self) -> Iterator[E_co]:
        """Handle a timeout: no message has arrived for `patience` seconds. Raises Over."""

    def disconnected(self) -> None:
        """Handle a disconnect, at any time and from any thread."""


def socket_routes(path: str, serve: Callable[[WebSocket], Awaitable[None]]) -> list[BaseRoute]:
    """Return the routes of a socket. Plain HTTP requests to its path are refused."""

    async def no_socket(request: Request) -> Response:
        return refusals.native(refusals.not_supported(request.method), str(uuid.uuid4()))

    return [WebSocketRoute(path, serve), Route(path, no_socket)]


async def accept(
    emulator: Emulator, socket: WebSocket, surface: SurfaceName, refusal: Refusal | None
) -> tuple[LiveFault, ...] | None:
    """Answer the upgrade and return the faults of the session, or None if it was refused.

    An upgrade with a `refusal` is not counted, and faults do not apply to it.
    """
    fault = None
    if refusal is None:
        emulator.counts[surface] += 1
        fault = emulator.faults.take(surface)
    try:
        denial = await _denial(socket, fault, refusal)
    except WebSocketDisconnect:
        return None
    if denial is not None:
        await socket.send_denial_response(denial)
        return None
    await socket.accept()
    return _live_faults(fault)


async def _denial(socket: WebSocket, fault: Fault | None, refusal: Refusal | None) -> Response | None:
    """Return the response that refuses the upgrade, or None. Raises WebSocketDisconnect."""
    match fault:
        case Refuse(status, code, message, retry_after):
            refusal = Refusal(status, code, message, retry_after=retry_after)
        case Answer(body, status, content_type):
            return Response(body, status, media_type=content_type)
        case Hang(seconds):
            await _hang(socket, seconds)
        case _:
            pass
    return refusals.native(refusal, str(uuid.uuid4())) if refusal else None


async def _hang(socket: WebSocket, seconds: float | None) -> None:
    """Wait for `seconds`, or without limit. Raises WebSocketDisconnect when the client disconnects."""
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


def _size(message: str | bytes) -> int:
    return len(message) + HEAD


class LiveConnection(Generic[E]):
    """One session on its socket.

    `threaded` runs the machine in a thread, because its engine blocks. The socket is closed with 1001 after
    `session_seconds`.
    """

    def __init__(
        self,
        socket: WebSocket,
        machine: LiveMachine[E],
        record: LiveRecord,
        faults: tuple[LiveFault, ...],
        wire: Wire[E],
        *,
        threaded: bool,
        session_seconds: float | None,
    ) -> None:
        self._socket = socket
        self._machine = machine
        self._record = record
        self._wire = wire
        self._fault_player = FaultPlayer(faults, wire)
        self._threaded = threaded
        self._session_seconds = session_seconds
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._queued = 0  # bytes of messages in the queue
        self._drained = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer_all())
            reading = tasks.create_task(self._read(answering))
            answering.add_done_callback(lambda _: reading.cancel())

    async def _read(self, answering: asyncio.Task[None]) -> None:
        """Read ahead, so that the session ends as soon as the client disconnects."""
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            text: str | None = message.get("text")
            content: str | bytes = (message.get("bytes") or b"") if text is None else text
            self._queued += _size(content)
            self._queue.put_nowait(content)
            while self._queued > AHEAD:
                self._drained.clear()
                await self._drained.wait()
        if self._record.closed is None:
            self._record.closed = message.get("code", 1006)
        self._machine.disconnected()
        answering.cancel()

    async def _answer_all(self) -> None:
        try:
            async with asyncio.timeout(self._session_seconds):
                await self._send(self._machine.opened())
                await self._struck()
                while True:
                    await self._answer()
        except TimeoutError:
            await self._close(1001, "The session has reached its maximum duration.")
        except WebSocketDisconnect as disconnect:
            self._record.closed = disconnect.code
        except Over as over:
            if over.code is not None:
                await self._close(over.code, over.reason)

    async def _close(self, code: int, reason: str) -> None:
        self._record.closed = code
        with contextlib.suppress(WebSocketDisconnect):  # the client closed first
            await self._socket.close(code, reason.encode()[:REASON].decode(errors="ignore"))

    async def _answer(self) -> None:
        try:
            events = self._machine.receive(await self._next(self._machine.patience))
        except TimeoutError:
            events = self._machine.timed_out()
        if self._threaded:
            await self._send_each(iterate_in_threadpool(events))
        else:
            await self._send(events)
        await self._struck()

    async def _next(self, patience: float | None) -> str | bytes:
        """Return the next message. Raises TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            message = await self._queue.get()
        self._queued -= _size(message)
        self._drained.set()
        return message

    async def _send_each(self, events: AsyncIterator[E]) -> None:
        async for event in events:
            await self._send([event])

    async def _send(self, events: Iterable[E]) -> None:
        for event in self._fault_player.events(events):
            await self._socket.send_text(encoded(event))
            if (code := self._wire.closes(event)) is not None:
                raise Over(code)
            await self._struck()

    async def _struck(self) -> None:
        while (strike := self._fault_player.strike(self._record)) is not None:
            await self._strike(strike)

    async def _strike(self, strike: Strike) -> None:
        match strike:
            case Sever(code=code, reason=reason):
                raise Over(code, reason)
            case Stall(seconds=seconds):
                await self._stall(seconds)
            case Erring():
                await self._send_error(strike)
            case _:
                assert_never(strike)

    async def _stall(self, seconds: float | None) -> None:
        if seconds is not None:
            await asyncio.sleep(seconds)
            return
        while True:
            await self._next(None)

    async def _send_error(self, erring: Erring) -> None:
        event = self._wire.error(erring)
        await self._socket.send_text(encoded(event))
        if erring.close is not None:
            raise Over(erring.close, erring.message)
        if (code := self._wire.closes(event)) is not None:
            raise Over(code)


def encoded(event: object) -> str:
    return msgspec.json.encode(event).decode()
