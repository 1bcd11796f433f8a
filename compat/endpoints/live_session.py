"""A live session: performs the I/O between the client's transport, the bridge and the service.

A TaskGroup runs a reader and a writer for the client, a reader, a writer and a pinger for each connection to the
service, and a timer. Calls of the bridge are synchronous and never block.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Coroutine, Iterable
from contextvars import copy_context
from typing import Any, assert_never

import msgspec

from compat.audio import resample
from compat.bridge import Bridge
from compat.bridge.actions import (
    Action,
    CheckVocabulary,
    CloseUpstream,
    Hangup,
    OpenUpstream,
    Play,
    Reading,
    ToClient,
    ToUpstream,
    Translate,
    Wake,
)
from compat.bridge.intake import Sound
from compat.config.principal import Principal
from compat.endpoints.errands import Errands
from compat.endpoints.live_queues import Outgoing, Upstream, switch
from compat.endpoints.transport import ClientTransport, Disconnected
from compat.errors import CompatError
from compat.spending.allowance import Allowance
from compat.upstream.fallback import LiveFallback
from compat.upstream.shares import Holding, Shares
from compat.upstream.sockets import Connection, Sockets

log = logging.getLogger("compat.live")
PING = 2.0  # seconds
SOUND = 1 << 20  # bytes of sound that each session may hold freely; more is counted in steps of this size
AHEAD = 5.0  # seconds of a call's sound that are allowed in advance, because its track cannot be made to wait
CROWDED = "Too much sound is waiting to be recognised: send it more slowly, or open fewer sessions."
UNREAD = Hangup(1008, "The client does not read its events.")


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one session.

    `unread`: seconds that a write may take. `ahead`: bytes of events waiting to be written; beyond it, the service is
    not read. `backlog`: bytes of them that end the session; only answers to the client's own events can reach it.
    `closing`: seconds that closing the transport may take. `sound`: bytes of audio waiting to be recognised. `eager`:
    bytes of audio waiting to be sent to the service; beyond it, the client is read only while memory is plentiful.
    """

    unread: float = 30.0
    ahead: int = 1 << 18
    backlog: int = 1 << 20
    closing: float = 10.0
    sound: int = 192 << 20
    eager: int = 300 * 32_000


class LiveSession:
    """A session. After `run`, `code` is the code with which either side closed the client's transport."""

    def __init__(
        self,
        bridge: Bridge,
        caller: ClientTransport,
        service: Sockets | LiveFallback,
        principal: Principal,
        errands: Errands,
        bounds: Bounds | None = None,
        memory: Shares | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        """`allowance` bounds the client's sound. `memory` bounds the sound of all sessions; this session's share counts
        against `principal`."""
        self.code: int | None = None
        self._bridge = bridge
        self._caller = caller
        self._service = service
        self._errands = errands
        self._principal = principal
        self._allowance = allowance
        self._bounds = bounds or Bounds()
        self._outgoing = Outgoing()
        self._events: list[str] = []
        self._upstream: Upstream | None = None
        self._readable = asyncio.Event()
        self._reading = True
        self._idle = False
        """Whether every frame of the client so far was handled, and the reader waits for the next."""
        self._stalled = self._crowded = self._extending = False
        self._sound = Holding(memory or Shares(sys.maxsize), SOUND, principal.party)
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Run until the session is over and both connections are closed."""
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        try:
            async with asyncio.TaskGroup() as self._group:
                self._ending = {
                    self._group.create_task(self._read_client()),
                    self._group.create_task(self._wake()),
                }
                self._group.create_task(self._write_client())
                if not resample.loaded():
                    self._group.create_task(asyncio.to_thread(resample.load))
                self._do(self._bridge.start(self._now))
                await self._allow(0)
        finally:
            self._sound.fits(0)
            if self._alarm is not None:
                self._alarm.cancel()

    def leave(self, grace: float, reason: CompatError | None = None) -> None:
        """End the session within `grace` seconds, for `reason` or because the server shuts down."""
        self._do(self._bridge.shutdown(grace, self._now, reason))

    def take(self, frame: str) -> bool:
        """Handle a frame of the client at once, and return True. Return False if it has to wait for `read`.

        That saves a turn of the event loop. An exception ends the session, as in the reader's task.
        """
        waits = not self._idle or not self._readable.is_set() or self._bridge.more
        if waits or (self._allowance is not None and self._needs_allowance(len(frame))):
            return False
        try:
            self._do(self._bridge.from_client(frame, self._now))
            if self._bridge.more:
                self._start(self._take_rest())
        except Exception as exc:  # noqa: BLE001 - any bug
            self._idle = False
            self._start(_raise(exc))
        return True

    def take_sound(self, pcm: bytes) -> None:
        """Handle audio of a call's track."""
        if self._needs_allowance(len(pcm), AHEAD) and not self._extending:
            self._extending = True
            self._start(self._allow(len(pcm), AHEAD))
        try:
            self._do(self._bridge.from_client(Sound(pcm), self._now))
        except Exception as exc:  # noqa: BLE001 - any bug
            self._start(_raise(exc))

    @property
    def _now(self) -> float:
        return self._loop.time()

    # --- actions of the bridge ---------------------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._perform(action)
        if self._events:
            self._write_events()
        upstream = self._upstream
        if upstream is not None and upstream.drained:
            for action in self._bridge.upstream_drained(self._now):
                self._perform(action)
            if self._events:
                self._write_events()
            if upstream.written:
                upstream.outgoing.put(None)
        held = self._bridge.held
        if self._outgoing.size > self._bounds.backlog and not self._stalled:
            self._close_unread()
        elif not self._crowded and (held > self._bounds.sound or not self._sound.fits(held)):
            self._crowded = True
            self._do(self._bridge.client_closed(self._now, Hangup(1013, CROWDED)))
        elif self._bridge.over and self._ending:
            self._end()
        switch(self._readable, on=self._reading and not (held > self._bounds.eager and self._must_wait))

    @property
    def _must_wait(self) -> bool:
        """Whether to stop reading from the client until the service catches up.

        Reading continues while memory is plentiful: the pings of a client that is not read get no pong, and it
        disconnects.
        """
        return self._bridge.unsent > self._bounds.eager and self._sound.scarce

    def _perform(self, action: Action) -> None:  # noqa: C901 - one case for each action
        match action:
            case ToUpstream(frame):
                if self._upstream is not None:
                    self._upstream.put(frame)
            case ToClient(text):
                self._events.append(text)
            case Play(pcm):
                self._caller.play(pcm)
            case OpenUpstream():
                self._upstream = Upstream()
                self._upstream.task = self._start(self._serve(self._upstream, action))
            case CloseUpstream():
                self._drop_upstream()
            case Reading(on):
                self._reading = on
            case Wake(at):
                self._set_alarm(at)
            case CheckVocabulary() | Translate():
                task = self._start(self._run_errand(action))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
            case Hangup():
                self._write_events()
                self._outgoing.put(action)
            case _:
                assert_never(action)

    def _write_events(self) -> None:
        """Write the events of one step at once, because the writer task would first wait for all other sessions."""
        events, self._events = self._events, []
        fit = self._outgoing.idle and sum(map(len, events)) <= self._bounds.backlog
        if events and not (fit and self._caller.write_now(events)):
            for event in events:
                self._outgoing.put(event)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task of the session in its context, as `take` is called outside of it."""
        return self._group.create_task(work, context=self._context)

    async def _run_errand(self, errand: CheckVocabulary | Translate) -> None:
        if isinstance(errand, Translate):
            text = await self._errands.translate(errand, self._principal)
            self._do(self._bridge.translated(errand.ticket, text, self._now))
        elif (error := await self._errands.check(errand, self._principal)) is not None:
            self._do(self._bridge.vocabulary_refused(errand.vocabulary_id, error, self._now))

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None and upstream.task is not None and upstream.task is not asyncio.current_task():
            upstream.task.cancel()

    def _close_unread(self) -> None:
        """Discard the events of a client that does not read, and close the session."""
        self._stalled = True
        self._outgoing.drop()
        self._do(self._bridge.client_closed(self._now, UNREAD))

    def _end(self) -> None:
        for task in self._ending:
            task.cancel()
        self._ending.clear()
        self._outgoing.put(Hangup(1000, ""))  # ends the writer if the bridge has not asked for a Hangup

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

    # --- the client -------------------------------------------------------------------------------------------------

    async def _read_client(self) -> None:
        while True:
            await self._readable.wait()
            self._idle = True
            try:
                frame = await self._caller.read()
            except Disconnected as gone:
                if self.code is None:
                    self.code = gone.code
                self._do(self._bridge.client_closed(self._now))
                return
            finally:
                self._idle = False
            await self._take_rest()
            await self._readable.wait()
            await self._allow(len(frame))
            self._do(self._bridge.from_client(frame, self._now))
            await self._take_rest()

    def _needs_allowance(self, size: int, ahead: float = 0.0) -> bool:
        """Whether the allowance must be extended before the next piece of a frame of `size` bytes is handled, or
        `ahead` seconds before that."""
        allowance = self._allowance
        if allowance is None or allowance.exhausted:
            return False
        return self._bridge.seconds + ahead + self._bridge.most(size) > allowance.granted

    async def _allow(self, size: int, ahead: float = 0.0) -> None:
        if self._allowance is None:
            return
        if self._needs_allowance(size, ahead):
            await self._allowance.extend(self._bridge.seconds + ahead + self._bridge.most(size))
        self._bridge.allow(self._allowance.granted, self._allowance.reason)
        self._extending = False

    async def _take_rest(self) -> None:
        """Take the rest of a long append, with a turn of the event loop for each piece."""
        while self._bridge.more:
            await asyncio.sleep(0)
            await self._allow(sys.maxsize)
            if self._bridge.more:
                self._do(self._bridge.from_client_more(self._now))

    async def _write_client(self) -> None:
        while not isinstance(frame := await self._outgoing.take(), Hangup):
            assert isinstance(frame, str)  # noqa: S101 - only the service gets bytes
            try:
                async with asyncio.timeout(self._bounds.unread + self._caller.unheard):
                    await self._caller.write(frame)
            except TimeoutError:
                if not self._stalled:
                    self._close_unread()
            except Disconnected:
                self._outgoing.drop()
        if self.code is None:
            self.code = frame.code
            with contextlib.suppress(TimeoutError, Disconnected):
                async with asyncio.timeout(self._bounds.closing):
                    await self._caller.close(frame.code, frame.reason)

    # --- the service ------------------------------------------------------------------------------------------------

    async def _serve(self, upstream: Upstream, wanted: OpenUpstream) -> None:
        """Open a connection and read from it until it is lost or replaced."""
        try:
            connection = await self._service.open(wanted.model, self._principal, wanted.losses, bound=wanted.bound)
        except CompatError as error:
            self._lose(upstream, error)
            return
        upstream.connection = connection
        tasks = [
            self._group.create_task(self._write_service(upstream, connection)),
            self._group.create_task(self._ping_service(upstream, connection)),
        ]
        try:
            self._do(self._bridge.upstream_opened(self._now))
            while self._upstream is upstream:
                await self._outgoing.below(self._bounds.ahead)
                self._receive(upstream, await anext(connection))
        except CompatError as error:
            self._lose(upstream, error)
        finally:
            for task in tasks:
                task.cancel()
            await connection.close()

    async def _write_service(self, upstream: Upstream, connection: Connection) -> None:
        with contextlib.suppress(CompatError):  # the reader of the same connection reports the error to the bridge
            while True:
                frame = await upstream.outgoing.take()
                assert not isinstance(frame, Hangup)  # noqa: S101 - the bridge closes the service with CloseUpstream
                if frame is None:
                    await asyncio.sleep(0)  # lets other sessions run while a long replay is sent
                    await connection.drained()
                else:
                    await connection.send(frame)
                if not upstream.outgoing.waiting and self._upstream is upstream:
                    upstream.written = False
                    self._do(self._bridge.upstream_drained(self._now))

    async def _ping_service(self, upstream: Upstream, connection: Connection) -> None:
        """Ping the service. A pong confirms every frame sent before the ping, so the queue has to be empty first."""
        with contextlib.suppress(CompatError):  # the reader reports the error
            while True:
                await asyncio.sleep(PING)
                if upstream.outgoing.waiting:
                    continue
                pinged_at = self._now
                await connection.ping()
                if self._upstream is upstream:
                    self._do(self._bridge.upstream_pong(pinged_at, self._now))

    def _receive(self, upstream: Upstream, frame: str | bytes) -> None:
        if self._upstream is upstream:
            self._do(self._bridge.from_upstream(frame, self._now))

    def _lose(self, upstream: Upstream, error: CompatError) -> None:
        if self._upstream is upstream:
            self._upstream = None
            self._do(self._bridge.upstream_lost(error, self._now))


async def _raise(exc: Exception) -> None:
    raise exc
