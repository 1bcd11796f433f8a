"""DashScope's live socket: open · write, or send · iterate · close.

The only place that knows the WebSocket client, and the only one where its exceptions become ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from compat.dashscope_api.faults import fault
from compat.errors import CompatError, ModelNotFound, ServiceFailed, ServiceTimedOut, ServiceUnavailable
from compat.upstream.budget import Budget
from compat.upstream.guard import LIVE, UNTRACED, Guard
from compat.upstream.lag import LoopLag

if TYPE_CHECKING:
    from websockets.protocol import Event

PATH: Final = "/api-ws/v1/realtime"
LIVE_SERVICE: Final = "DashScope's live service"
ALIVE: Final = 30.0  # seconds without a sign of life after which a connection is lost
CLOSING: Final = 2.0  # seconds for the closing handshake
LARGEST: Final = 4 << 20  # bytes of one frame of the service

Foreign = WebSocketException | OSError | TimeoutError | EOFError


def translated(exc: Foreign, name: str = LIVE_SERVICE) -> CompatError:
    """What the client's exception means to a caller. Says nothing of addresses."""
    begun = f"{name[:1].upper()}{name[1:]}"
    match exc:
        case InvalidStatus():
            return _refused(exc, begun)
        case ConnectionClosed():
            return _closed(exc, begun)
        case TimeoutError():
            return ServiceTimedOut(f"{begun} did not answer in time.")
        case InvalidURI() | InvalidProxy():
            return ServiceFailed(f"The address of {name} cannot be used.")
        case OSError() | EOFError() | InvalidHandshake():
            return ServiceUnavailable(f"{begun} cannot be reached ({type(exc).__name__}).")
        case _:
            return ServiceFailed(f"The connection to {name} was lost ({type(exc).__name__}).")


def _refused(exc: InvalidStatus, name: str) -> CompatError:
    response = exc.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    refusal = fault(response.status_code, response.body or b"", headers)
    return refusal or ServiceFailed(f"{name} answered HTTP {response.status_code}.")


def _closed(exc: ConnectionClosed, name: str) -> CompatError:
    """Close 1007 "Model not found" is the one that is documented (Model Studio, error codes, 2026-10)."""
    code, reason = (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (1006, "")
    if code == 1007 and "model" in reason.lower():
        return ModelNotFound(f"{name} does not know this model: {reason}")
    return ServiceUnavailable(f"{name} closed the connection ({code}).")


class _Straight(connect):
    """Follows no redirects: they would take the key along, to whatever host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket(ClientConnection):
    """Its own `send` is a coroutine, so calling it from elsewhere needs a task and a turn of the loop; and its own
    watch counts pongs alone, while a service that is slower than speech answers a ping only after the sound before it.
    """

    _heard_at = 0.0

    def process_event(self, event: Event) -> None:
        self._heard_at = self.loop.time()
        super().process_event(event)

    async def keepalive(self) -> None:
        assert self.ping_interval is not None  # noqa: S101 - `_open` says it
        assert self.ping_timeout is not None  # noqa: S101 - likewise
        while self.loop.time() < self._heard_at + self.ping_timeout:
            if not self.paused:
                await self.ping()
            await asyncio.sleep(self.ping_interval)
        self.transport.abort()

    def write(self, frame: str | bytes) -> None:
        opcode, data = (Opcode.TEXT, frame.encode()) if isinstance(frame, str) else (Opcode.BINARY, frame)
        try:
            self.transport.write(Frame(opcode, data).serialize(mask=True))
        except (OSError, RuntimeError):  # the reader will hear of it
            self.transport.abort()


class Connection:
    """One open socket. Iterating gives its frames until it ends, which always raises a CompatError that says why."""

    def __init__(self, socket: _Socket, name: str) -> None:
        self._socket = socket
        self._name = name

    @property
    def full(self) -> bool:
        """Whether what was written waits here for the network."""
        return self._socket.paused

    def write(self, frame: str | bytes) -> bool:
        """Writes the frame at once, or not at all: where others wait already, or the connection is lost."""
        if self._socket.paused or self._socket.protocol.state is not State.OPEN:
            return False
        self._socket.write(frame)
        return True

    async def send(self, frame: str | bytes) -> None:
        """Returns when the frame is written. Of a connection that is lost it raises the reason."""
        try:
            await self._socket.send(frame)
        except (WebSocketException, OSError) as exc:
            raise translated(exc, self._name) from exc

    async def drained(self) -> None:
        """Returns when no more waits here than may."""
        try:
            await self._socket.drain()
        except OSError as exc:
            raise translated(exc, self._name) from exc

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except (WebSocketException, OSError, EOFError) as exc:
            raise translated(exc, self._name) from exc

    async def ping(self) -> None:
        """Returns when the pong is there: everything sent before has arrived. Raises like `send`."""
        try:
            await (await self._socket.ping())
        except (WebSocketException, OSError) as exc:
            raise translated(exc, self._name) from exc

    async def close(self) -> None:
        """Says goodbye and waits CLOSING seconds at most; then the connection is cut."""
        await self._socket.close()


class Sockets:
    """The live service at `root`, a WebSocket address without a path; errors call it `name`. `socket`: the path of a
    Unix socket that takes the place of the network."""

    def __init__(
        self,
        root: str,
        *,
        connect_timeout: float,
        budget: Budget | None = None,
        guard: Guard | None = None,
        pulse: LoopLag | None = None,
        name: str = LIVE_SERVICE,
        socket: str | None = None,
        alive: float = ALIVE,
    ) -> None:
        self._name = name
        self._budget = budget
        self._guard = guard
        self._root = root
        self._timeout = connect_timeout
        self._pulse = pulse or LoopLag()
        self._alive = alive
        self._way: dict[str, Any] = {"unix": True, "path": socket} if socket else {}

    async def open(self, model: str, key: str, losses: int = 0) -> Connection:  # noqa: ARG002 - there is one place
        """Raises any CompatError."""
        if self._budget:
            await self._budget.turn(model, key)
        with self._guard.call(LIVE) if self._guard else UNTRACED as traced:
            return await self._open(model, key, traced)

    async def _open(self, model: str, key: str, traced: Mapping[str, str]) -> Connection:
        try:
            with self._pulse.excusing(self._timeout, TimeoutError):
                socket = await _Straight(
                    f"{self._root}{PATH}?model={quote(model, safe='')}",
                    additional_headers={**traced, "Authorization": f"Bearer {key}"},
                    user_agent_header="qwen-asr-compat",
                    compression=None,
                    open_timeout=self._timeout,
                    ping_interval=self._alive / 6,
                    ping_timeout=self._alive,
                    close_timeout=CLOSING,
                    max_size=LARGEST,
                    create_connection=_Socket,
                    **self._way,
                )
        except (WebSocketException, OSError, EOFError) as exc:
            raise translated(exc, self._name) from exc
        assert isinstance(socket, _Socket)  # noqa: S101 - it makes nothing else
        return Connection(socket, self._name)
