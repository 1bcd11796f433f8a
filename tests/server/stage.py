"""A connection without a network, on an event loop with a manual clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from compat.server import http
from compat.server.connections import Connections
from compat.server.run import config


class Loop:
    """An event loop with a manual clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, call, *args)

    def call_at(self, when: float, call: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        self.due.append(asyncio.TimerHandle(when, call, args, asyncio.get_running_loop()))
        return self.due[-1]

    def call_soon(self, call: Callable[[], None]) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(call)

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    async def until(self, now: float, *, late: bool = False) -> None:
        """Run the timers that are due by `now`. `late`: run all of them at `now`, as after a blocked event loop."""
        while self.due and (first := min(self.due)).when() <= now:
            self.due.remove(first)
            self.now = now if late else first.when()
            if not first.cancelled():
                first._run()  # noqa: SLF001 - this is a loop
            await asyncio.sleep(0)
        self.now = now


class Wire(asyncio.Transport):
    """A transport that records what is written to it. The client has not read the last `unacknowledged` bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unacknowledged = 0
        self.reads = True
        self.ended = self.closed = self.aborted = False
        self._protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def receive(self, data: bytes) -> None:
        """Give `data` to the protocol as asyncio does, as much at a time as the protocol has room for."""
        while data:
            protocol, size = self._protocol, len(data)
            if isinstance(protocol, asyncio.BufferedProtocol):
                room = memoryview(protocol.get_buffer(-1))
                size = min(len(room), len(data))
                room[:size] = data[:size]
                protocol.buffer_updated(size)
            elif isinstance(protocol, asyncio.Protocol):
                protocol.data_received(data)
            data = data[size:]

    def get_write_buffer_size(self) -> int:
        return self.unacknowledged


@contextlib.asynccontextmanager
async def connected(
    app: ASGIApp,
    wire: Wire,
    connections: Connections | None = None,
    **state: Any,  # noqa: ANN401 - any state
) -> AsyncIterator[tuple[http.HttpProtocol, Loop]]:
    """The server's side of a connection over `wire`. `state`: the lifespan's state."""
    loop, settings = Loop(), config(app, connections=connections)
    kind = cast("type[http.HttpProtocol]", settings.http)
    protocol = kind(settings, ServerState(), state, cast("asyncio.AbstractEventLoop", loop))
    wire.set_protocol(protocol)
    protocol.connection_made(wire)
    try:
        yield protocol, loop
    finally:
        protocol.connection_lost(None)
        tasks = [*protocol.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
