"""One live session between its client's transport and the service: performs what the bridge asks for, and reports what
happens.

A TaskGroup with a reader and a writer for the caller, a reader, a writer and a pinger for each connection to the
service, and an alarm. The bridge itself is called between two awaits and never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Iterable
from typing import Protocol, assert_never

import msgspec

from compat.bridge import Bridge
from compat.bridge.actions import Action, CloseUpstream, Hangup, OpenUpstream, Reading, ToClient, ToUpstream, Wake
from compat.errors import CompatError
from compat.upstream.fallback import LiveFallback
from compat.upstream.shares import ON_BEHALF, Holding, Shares
from compat.upstream.sockets import Connection, Sockets

PING = 2.0  # seconds
SOUND = 1 << 20  # bytes of sound that each session may hold, and what is counted of more at a time
CROWDED = "Too much sound of yours waits for an answer: send it more slowly, or in fewer sessions at a time."
UNREAD = Hangup(1008, "The caller does not read what is sent.")


class Disconnected(Exception):
    """The client has gone, or the transport was closed. `code` is a WebSocket close code (RFC 6455 §7.4)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ClientTransport(Protocol):
    """How a session reaches its client. Every method raises Disconnected."""

    async def read(self) -> str | bytes: ...
    async def write(self, text: str) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How long a caller may not read (seconds), how much may wait for it (bytes), how long the close frame waits, how
    much sound of one session may wait for an answer (bytes)."""

    unread: float = 30.0
    backlog: int = 1 << 20
    goodbye: float = 10.0
    sound: int = 128 << 20


class _Outgoing:
    """Frames on their way to one side, for the one task that writes them. None: what was written before is to leave."""

    def __init__(self) -> None:
        self.waiting: deque[str | bytes | Hangup | None] = deque()
        self.size = 0
        self._more = asyncio.Event()

    def put(self, frame: str | bytes | Hangup | None) -> None:
        self.waiting.append(frame)
        self.size += len(frame) if isinstance(frame, str | bytes) else 0
        self._more.set()

    async def take(self) -> str | bytes | Hangup | None:
        while not self.waiting:
            self._more.clear()
            await self._more.wait()
        frame = self.waiting.popleft()
        self.size -= len(frame) if isinstance(frame, str | bytes) else 0
        return frame

    def drop(self) -> None:
        """Everything but a goodbye."""
        self.waiting = deque(frame for frame in self.waiting if isinstance(frame, Hangup))
        self.size = 0


class _Line:
    """One connection to the service, or the attempt to make it. `written`: frames that nobody has waited for."""

    def __init__(self) -> None:
        self.outgoing = _Outgoing()
        self.task: asyncio.Task[None] | None = None
        self.connection: Connection | None = None
        self.written = False

    def put(self, frame: str | bytes) -> None:
        """A frame is written at once where it can be: its writer would have to wait for all other sessions' turns."""
        if self.connection is None or self.outgoing.waiting or not self.connection.write(frame):
            self.outgoing.put(frame)
        else:
            self.written = True

    @property
    def drained(self) -> bool:
        """Whether all that was written has left, which is said once. Where it is not known yet, the writer will."""
        if not self.written or self.outgoing.waiting:
            return False
        self.written = False
        if self.connection is not None and self.connection.full:
            self.outgoing.put(None)
            return False
        return True


class LiveSession:
    """`code` is what the caller's transport was closed with, by whichever side, once `run` has returned."""

    def __init__(
        self,
        bridge: Bridge,
        caller: ClientTransport,
        service: Sockets | LiveFallback,
        key: str,
        bounds: Bounds | None = None,
        memory: Shares | None = None,
    ) -> None:
        """`memory` for sound is shared with other sessions; what this one holds counts for `ON_BEHALF`."""
        self.code: int | None = None
        self._bridge = bridge
        self._caller = caller
        self._service = service
        self._key = key
        self._bounds = bounds or Bounds()
        self._outgoing = _Outgoing()
        self._line: _Line | None = None
        self._readable = asyncio.Event()
        self._readable.set()
        self._stalled = self._crowded = False
        self._sound = Holding(memory or Shares(sys.maxsize), SOUND, ON_BEHALF.get())
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until the session is over and both sockets are closed."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as self._group:
                self._ending = [
                    self._group.create_task(self._hear_caller()),
                    self._group.create_task(self._wake()),
                ]
                self._group.create_task(self._tell_caller())
                self._do(self._bridge.start(self._now))
        finally:
            self._sound.fits(0)
            if self._alarm is not None:
                self._alarm.cancel()

    def leave(self, grace: float, reason: CompatError | None = None) -> None:
        """The server stops, or there is another `reason` for the session to end."""
        self._do(self._bridge.shutdown(grace, self._now, reason))

    @property
    def _now(self) -> float:
        return self._loop.time()

    # --- what the bridge wants --------------------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._perform(action)
        line = self._line
        if line is not None and line.drained:
            for action in self._bridge.upstream_drained(self._now):
                self._perform(action)
            if line.written:
                line.outgoing.put(None)
        if self._outgoing.size > self._bounds.backlog and not self._stalled:
            self._stall()
        elif not (self._crowded or self._has_room(self._bridge.held)):
            self._crowded = True
            self._do(self._bridge.client_closed(self._now, Hangup(1013, CROWDED)))
        elif self._bridge.over and self._ending:
            self._end()

    def _has_room(self, held: int) -> bool:
        return held <= self._bounds.sound and self._sound.fits(held)

    def _perform(self, action: Action) -> None:
        match action:
            case ToClient(text):
                self._outgoing.put(text)
            case ToUpstream(frame):
                if self._line is not None:
                    self._line.put(frame)
            case OpenUpstream(model, losses):
                self._line = _Line()
                self._line.task = self._group.create_task(self._serve(self._line, model, losses))
            case CloseUpstream():
                self._forget()
            case Reading(on):
                _switch(self._readable, on=on)
            case Wake(at):
                self._set_alarm(at)
            case Hangup():
                self._outgoing.put(action)
            case _:
                assert_never(action)

    def _forget(self) -> None:
        line, self._line = self._line, None
        if line is not None and line.task is not None and line.task is not asyncio.current_task():
            line.task.cancel()

    def _stall(self) -> None:
        """What waits for a caller who does not read is given up: only the goodbye is still tried."""
        self._stalled = True
        self._outgoing.drop()
        self._do(self._bridge.client_closed(self._now, UNREAD))

    def _end(self) -> None:
        for task in self._ending:
            task.cancel()
        self._ending.clear()
        self._outgoing.put(Hangup(1000, ""))  # where the bridge itself had no reason to hang up

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            if self._alarm_at <= at:
                return
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_at(at, self._woken.set)

    async def _wake(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            self._alarm = None
            self._do(self._bridge.tick(max(self._alarm_at, self._now)))

    # --- the caller -------------------------------------------------------------------------------------------------

    async def _hear_caller(self) -> None:
        while True:
            await self._readable.wait()
            try:
                frame = await self._caller.read()
            except Disconnected as gone:
                if self.code is None:
                    self.code = gone.code
                self._do(self._bridge.client_closed(self._now))
                return
            self._do(self._bridge.from_client(frame, self._now))
            while self._bridge.more:
                await asyncio.sleep(0)
                self._do(self._bridge.from_client_more(self._now))

    async def _tell_caller(self) -> None:
        while not isinstance(frame := await self._outgoing.take(), Hangup):
            assert isinstance(frame, str)  # noqa: S101 - callers are told nothing else
            try:
                async with asyncio.timeout(self._bounds.unread):
                    await self._caller.write(frame)
            except TimeoutError:
                if not self._stalled:
                    self._stall()
            except Disconnected:
                self._outgoing.drop()
        if self.code is None:
            self.code = frame.code
            with contextlib.suppress(TimeoutError, Disconnected):
                async with asyncio.timeout(self._bounds.goodbye):
                    await self._caller.close(frame.code, frame.reason)

    # --- the service ------------------------------------------------------------------------------------------------

    async def _serve(self, line: _Line, model: str, losses: int) -> None:
        """One connection from its opening until it is lost or forgotten."""
        try:
            connection = await self._service.open(model, self._key, losses)
        except CompatError as error:
            self._lose(line, error)
            return
        line.connection = connection
        beside = [
            self._group.create_task(self._tell_service(line, connection)),
            self._group.create_task(self._ping_service(line, connection)),
        ]
        try:
            self._do(self._bridge.upstream_opened(self._now))
            while self._line is line:
                self._hear(line, await anext(connection))
        except CompatError as error:
            self._lose(line, error)
        finally:
            for task in beside:
                task.cancel()
            await connection.close()

    async def _tell_service(self, line: _Line, connection: Connection) -> None:
        with contextlib.suppress(CompatError):  # the reader of the same connection tells the bridge why it ended
            while True:
                frame = await line.outgoing.take()
                assert not isinstance(frame, Hangup)  # noqa: S101 - nobody hangs up on the service
                if frame is None:
                    await asyncio.sleep(0)  # where much is sent again, other sessions have their turn in between
                    await connection.drained()
                else:
                    await connection.send(frame)
                if not line.outgoing.waiting and self._line is line:
                    line.written = False
                    self._do(self._bridge.upstream_drained(self._now))

    async def _ping_service(self, line: _Line, connection: Connection) -> None:
        """A pong tells the bridge that all it sent before the ping has arrived, so none of that may still wait here."""
        with contextlib.suppress(CompatError):  # the reader again
            while True:
                await asyncio.sleep(PING)
                if line.outgoing.waiting:
                    continue
                pinged_at = self._now
                await connection.ping()
                if self._line is line:
                    self._do(self._bridge.upstream_pong(pinged_at, self._now))

    def _hear(self, line: _Line, frame: str | bytes) -> None:
        if self._line is line:
            self._do(self._bridge.from_upstream(frame, self._now))

    def _lose(self, line: _Line, error: CompatError) -> None:
        if self._line is line:
            self._line = None
            self._do(self._bridge.upstream_lost(error, self._now))


def _switch(event: asyncio.Event, *, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()
