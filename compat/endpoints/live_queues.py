"""The frames of a live session that wait to be written."""

from __future__ import annotations

import asyncio
from collections import deque

from compat.bridge.actions import Hangup
from compat.upstream.sockets import Connection


class Outgoing:
    """A queue of frames for one writer task. None asks the writer to drain the connection."""

    def __init__(self) -> None:
        self.waiting: deque[str | bytes | Hangup | None] = deque()
        self.size = 0
        self._more = asyncio.Event()
        self._less = asyncio.Event()
        self._done = False

    @property
    def idle(self) -> bool:
        """Whether the writer has written everything, and waits for more."""
        return self._done and not self.waiting

    def put(self, frame: str | bytes | Hangup | None) -> None:
        self.waiting.append(frame)
        self.size += len(frame) if isinstance(frame, str | bytes) else 0
        self._more.set()

    async def take(self) -> str | bytes | Hangup | None:
        self._done = True
        while not self.waiting:
            self._more.clear()
            await self._more.wait()
        self._done = False
        frame = self.waiting.popleft()
        self.size -= len(frame) if isinstance(frame, str | bytes) else 0
        self._less.set()
        return frame

    async def below(self, size: int) -> None:
        """Wait until at most `size` bytes wait."""
        while self.size > size:
            self._less.clear()
            await self._less.wait()

    def drop(self) -> None:
        """Discard all frames except a Hangup."""
        self.waiting = deque(frame for frame in self.waiting if isinstance(frame, Hangup))
        self.size = 0
        self._less.set()


class Upstream:
    """A connection to the service, or the attempt to open one. `written`: frames were written and not yet drained."""

    def __init__(self) -> None:
        self.outgoing = Outgoing()
        self.task: asyncio.Task[None] | None = None
        self.connection: Connection | None = None
        self.written = False

    def put(self, frame: str | bytes) -> None:
        """Write a frame at once if possible, because the writer task would first wait for all other sessions."""
        if self.connection is None or self.outgoing.waiting or not self.connection.write(frame):
            self.outgoing.put(frame)
        else:
            self.written = True

    @property
    def drained(self) -> bool:
        """Return once whether everything written has been sent. If it has not, the writer task reports it later."""
        if not self.written or self.outgoing.waiting:
            return False
        self.written = False
        if self.connection is not None and self.connection.full:
            self.outgoing.put(None)
            return False
        return True


def switch(event: asyncio.Event, *, on: bool) -> None:
    """Set or clear an event."""
    if on:
        event.set()
    else:
        event.clear()
