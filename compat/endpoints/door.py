"""How much work is taken on: beyond a bound it is refused at once, and while the server stops it is refused altogether.

What is refused is new work only. Health, metrics and what is under way go on, live sessions among them.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.errors import CompatError, Overloaded, ServiceUnavailable

FRESH = 1.0  # seconds for which a folder's measured size is believed
WORK = ("/v1/audio/", "/v1/realtime")


class Door:
    """`requests` and `sessions` under way at a time; `space`: bytes that uploads in `folder` may take."""

    def __init__(self, folder: Path, *, requests: int, sessions: int, space: int) -> None:
        self.requests = 0
        self.sessions = 0
        self.leaving = False
        self.retiring = False
        """Work is still taken, but whoever sends it should look elsewhere."""
        self._most_requests = requests
        self._most_sessions = sessions
        self._folder = folder
        self._space = space
        self._used = 0
        self._measured = float("-inf")
        self._coming = 0

    @property
    def used(self) -> int:
        """Bytes on disk when last measured, and those that callers have said they are sending."""
        return self._used + self._coming

    async def enter(self, scope: Scope) -> None:
        """Raises ServiceUnavailable."""
        if self.leaving:
            raise ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
        if scope["type"] == "websocket":
            if self.sessions >= self._most_sessions:
                raise _overloaded("sessions")
        elif self.requests >= self._most_requests:
            raise _overloaded("requests")
        else:
            await self._measure()
            if self.used + _declared(scope) > self._space:
                raise _overloaded("uploads")

    async def _measure(self) -> None:
        now = time.monotonic()
        if now - self._measured >= FRESH:
            self._measured = now
            self._used = await asyncio.to_thread(_size, self._folder)

    async def through(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets one in, and counts it for as long as it is there."""
        if scope["type"] == "websocket":
            self.sessions += 1
            try:
                await app(scope, receive, send)
            finally:
                self.sessions -= 1
            return
        declared = _declared(scope)
        self.requests += 1
        self._coming += declared
        try:
            await app(scope, receive, send)
        finally:
            self.requests -= 1
            self._coming -= declared


class Doorkeeper:
    """The middleware."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _work(scope):
            await self._app(scope, receive, send)
            return
        try:
            await self._door.enter(scope)
        except CompatError as error:
            scope.get("state", {}).get("log", {})["error"] = error.code
            # The body is not read, so that the connection cannot be used again.
            headers = {**error.headers(), "connection": "close"}
            await JSONResponse(error.body(), error.status, headers)(scope, receive, send)
            return
        await self._door.through(self._app, scope, receive, send)


def _work(scope: Scope) -> bool:
    asks = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] == "POST")
    return asks and str(scope["path"]).startswith(WORK)


def _declared(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _overloaded(what: str) -> Overloaded:
    return Overloaded(f"This server has as many {what} under way as it takes.", retry_after=1.0)


def _size(folder: Path) -> int:
    """Bytes of all files in it; what vanishes meanwhile does not count."""
    total = 0
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
