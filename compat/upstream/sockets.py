"""DashScope over WebSocket: opens the connections of live sessions.

Only this module uses the WebSocket client and translates its exceptions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
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
from websockets.frames import CloseCode, Opcode
from websockets.protocol import State

from compat.catalogue import live
from compat.config.principal import Principal
from compat.dashscope_api.faults import fault
from compat.errors import (
    ClosedNormally,
    CompatError,
    ModelNotFound,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.upstream import masks
from compat.upstream.budget import Budget
from compat.upstream.guard import LIVE, UNTRACED, Guard
from compat.upstream.lag import LoopLag

if TYPE_CHECKING:
    from websockets.protocol import Event

REALTIME: Final = "/api-ws/v1/realtime"
RUN_TASK: Final = "/api-ws/v1/inference"
LIVE_SERVICE: Final = "DashScope's live service"
ALIVE: Final = 30.0  # seconds without any frame after which a connection is considered lost
CLOSING: Final = 2.0  # seconds for the closing handshake
LARGEST: Final = 4 << 20  # bytes of one frame from the service

Foreign = WebSocketException | OSError | TimeoutError | EOFError


def translated(exc: Foreign, name: str = LIVE_SERVICE) -> CompatError:
    """Return the CompatError for an exception of the WebSocket client. Its message contains no addresses."""
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


@contextlib.contextmanager
def _translating(name: str) -> Iterator[None]:
    """Raise the CompatError in place of an exception of the WebSocket client."""
    try:
        yield
    except (WebSocketException, OSError, EOFError) as exc:
        raise translated(exc, name) from exc


def _refused(exc: InvalidStatus, name: str) -> CompatError:
    response = exc.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    refusal = fault(response.status_code, response.body or b"", headers)
    return refusal or ServiceFailed(f"{name} answered HTTP {response.status_code}.")


def _closed(exc: ConnectionClosed, name: str) -> CompatError:
    """Return the error for a closed connection. Close 1007 "Model not found" is the only documented close code (Model
    Studio, error codes, 2026-10)."""
    code, reason = (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (1006, "")
    if code == 1007 and "model" in reason.lower():
        return ModelNotFound(f"{name} does not know this model: {reason}")
    kind = ClosedNormally if code == CloseCode.NORMAL_CLOSURE else ServiceUnavailable
    return kind(f"{name} closed the connection ({code}).")


class NoRedirects(connect):
    """Follows no redirects, because the key would be sent to the new host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket(ClientConnection):
    """A connection with a synchronous `write` and a more tolerant keepalive.

    `send` of websockets is a coroutine, so calling it from synchronous code would need a task and a turn of the event
    loop. Its keepalive only counts pongs. A service that is slower than real time answers a ping late, after the audio
    that was sent before it; here any event from the service counts as a sign of life.
    """

    _received_at = 0.0

    def process_event(self, event: Event) -> None:
        self._received_at = self.loop.time()
        super().process_event(event)

    async def keepalive(self) -> None:
        assert self.ping_interval is not None  # noqa: S101 - `_open` sets it
        assert self.ping_timeout is not None  # noqa: S101 - see above
        while self.loop.time() < self._received_at + self.ping_timeout:
            if not self.paused:
                await self.ping()
            await asyncio.sleep(self.ping_interval)
        self.transport.abort()

    def write(self, frame: str | bytes) -> bool:
        """Write the frame at once and return True, or return False if the buffer is full or the connection is lost."""
        if self.paused or self.protocol.state is not State.OPEN:
            return False
        opcode, data = (Opcode.TEXT, frame.encode()) if isinstance(frame, str) else (Opcode.BINARY, frame)
        try:
            self.transport.write(masks.serialized(opcode, data))
        except (OSError, RuntimeError):
            self.transport.abort()  # the reader gets the error
        return True


def _path(model: str) -> str:
    """Return the path for a live model. In the run-task protocol, each task names its model."""
    row = live.find(model)
    return RUN_TASK if row is not None and row.protocol == "run-task" else f"{REALTIME}?model={quote(model, safe='')}"


class Connection:
    """An open connection. Iterate over it for its frames. Its end always raises a CompatError with the reason."""

    def __init__(self, socket: _Socket, name: str) -> None:
        self._socket = socket
        self._name = name
        self.write = socket.write

    @property
    def full(self) -> bool:
        """Whether the write buffer is full."""
        return self._socket.paused

    async def send(self, frame: str | bytes) -> None:
        """Write the frame, waiting while the buffer is full. Raises the reason if the connection is lost."""
        with _translating(self._name):
            await self._socket.send(frame)

    async def drained(self) -> None:
        """Wait until the write buffer is no longer full."""
        with _translating(self._name):
            await self._socket.drain()

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> str | bytes:
        with _translating(self._name):
            return await self._socket.recv()

    async def ping(self) -> None:
        """Send a ping and wait for the pong, so that everything sent before has arrived. Raises like `send`."""
        with _translating(self._name):
            await (await self._socket.ping())

    async def close(self) -> None:
        """Perform the closing handshake. After CLOSING seconds the connection is aborted."""
        await self._socket.close()


class Sockets:
    """The live service at `root`, a WebSocket address without a path. `name` is its name in errors. `socket` is the
    path of a Unix socket to use instead of the network."""

    def __init__(
        self,
        root: str,
        *,
        connect_timeout: float,
        budget: Budget | None = None,
        guard: Guard | None = None,
        lag: LoopLag | None = None,
        name: str = LIVE_SERVICE,
        socket: str | None = None,
        alive: float = ALIVE,
    ) -> None:
        self._name = name
        self._budget = budget
        self._guard = guard
        self._root = root
        self._timeout = connect_timeout
        self._lag = lag or LoopLag()
        self._alive = alive
        self._way: dict[str, Any] = {"unix": True, "path": socket} if socket else {}

    async def open(self, model: str, principal: Principal, losses: int = 0, *, bound: bool = False) -> Connection:  # noqa: ARG002 - see LiveFallback
        """Open a connection for `model`. Raises any CompatError."""
        if self._budget:
            await self._budget.turn(model, principal)
        with self._guard.call(LIVE) if self._guard else UNTRACED as traced:
            return await self._open(model, principal, traced)

    async def _open(self, model: str, principal: Principal, traced: Mapping[str, str]) -> Connection:
        with _translating(self._name), self._lag.translate_timeouts(self._timeout, TimeoutError):
            socket = await NoRedirects(
                f"{self._root}{_path(model)}",
                additional_headers={**traced, "Authorization": f"Bearer {principal.key}"},
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
        assert isinstance(socket, _Socket)  # noqa: S101 - see `create_connection`
        return Connection(socket, self._name)
