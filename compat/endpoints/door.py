"""Admission: beyond a bound, and while the server stops, new work is refused at once.

Health checks, metrics and work in progress continue, live sessions included. The caller is known before it is admitted,
so its own share is used up before the whole.
"""

from __future__ import annotations

import contextlib

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.errors import Overloaded, ServiceUnavailable
from compat.upstream.shares import Party, Shares


class Door:
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
            raise ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
        live = connection.scope["type"] == "websocket"
        shares = self.sessions if live else self.requests
        if not shares.take(party):
            raise overloaded("sessions" if live else "requests", shares, party)
        stay: contextlib.ExitStack = connection.state.stay
        stay.callback(shares.give, party)


class Doorkeeper:
    """Middleware that releases a caller's place when its request has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.ExitStack() as stay:
            scope.setdefault("state", {})["stay"] = stay
            await self._app(scope, receive, send)


def overloaded(what: str, shares: Shares, party: Party) -> Overloaded:
    """The error, which says which bound was reached: this caller's share, or the server's."""
    if shares.held(party) and shares.used < shares.total:
        return Overloaded(f"You have as many {what} in progress as this server allows one caller.", retry_after=1.0)
    return Overloaded(f"This server has reached its limit of {what}.", retry_after=1.0)
