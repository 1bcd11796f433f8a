"""Admission: beyond a bound, and while the server stops, new work is refused at once.

Health checks, metrics and work in progress continue, live sessions included. The caller is known before it is admitted,
so its own share is used up before the whole.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.errors import ServiceUnavailable
from compat.upstream.shares import Party, Shares, overloaded


class Admission:
    """`requests` and `sessions` that may be under way at a time."""

    def __init__(self, *, requests: int, sessions: int) -> None:
        self.requests = Shares(requests)
        self.sessions = Shares(sessions)
        self.leaving = False
        self.retiring = False
        """Work is still taken, but clients should look elsewhere."""

    def enter(self, connection: HTTPConnection, party: Party) -> None:
        """Counts a request or a session as this party's for as long as it is served. Raises ServiceUnavailable."""
        if self.leaving and connection.scope.get("method") == "POST":
            raise _shutting_down()
        live = connection.scope["type"] == "websocket"
        shares = self.sessions if live else self.requests
        if not shares.take(party):
            raise overloaded("sessions" if live else "requests", shares, party)
        stay: contextlib.ExitStack = connection.state.stay
        stay.callback(shares.give, party)


class AdmissionMiddleware:
    """Middleware that releases a caller's place when its request has ended, and answers where the server's end cuts it
    off: after a second Ctrl-C, or after the time that a request is given to finish."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.ExitStack() as stay:
            scope.setdefault("state", {})["stay"] = stay
            try:
                await self._app(scope, receive, send)
            except asyncio.CancelledError:
                if scope["type"] != "http":
                    raise
                error = _shutting_down()
                try:
                    await JSONResponse(error.body(), error.status, error.headers())(scope, receive, send)
                except RuntimeError as begun:  # the answer has: it breaks off
                    raise asyncio.CancelledError from begun


def _shutting_down() -> ServiceUnavailable:
    return ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
