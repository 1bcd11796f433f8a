"""Admission control: bounds on concurrent requests and sessions.

New work beyond a bound, or during shutdown, is refused at once. Health checks, metrics and work in progress continue,
including live sessions. Callers are identified before they are admitted, so a caller exhausts its own share before
the server's capacity.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.config.principal import Party
from compat.errors import BudgetSpent, ServiceUnavailable
from compat.upstream.shares import Shares, overloaded


class Admission:
    """Count `requests` and `sessions` in progress against their bounds."""

    def __init__(self, *, requests: Shares, sessions: Shares, stopping: Callable[[], bool] = lambda: False) -> None:
        """`stopping` returns whether all workers of this server are shutting down."""
        self.requests = requests
        self.sessions = sessions
        self.leaving = False
        self.retiring = False
        self._stopping = stopping

    @property
    def ending(self) -> bool:
        """Whether the server is about to stop: it may still accept work, but is no longer ready."""
        return self.retiring or self.leaving or self._stopping()

    def enter(self, connection: HTTPConnection, party: Party) -> None:
        """Count a request or a session against `party` until it ends. Raises ServiceUnavailable.

        Raises BudgetSpent for a session beyond the party's own concurrency. Calls for files wait for a slot instead.
        """
        if self.leaving and connection.scope.get("method") == "POST":
            raise _shutting_down()
        live = connection.scope["type"] == "websocket"
        self._enter(party, connection.state.stay, live=live)

    def enter_call(self, party: Party, stay: contextlib.ExitStack) -> None:
        """Count a call by WebRTC as a session until `stay` ends. Raises ServiceUnavailable or BudgetSpent."""
        if self.leaving:
            raise _shutting_down()
        self._enter(party, stay, live=True)

    def _enter(self, party: Party, stay: contextlib.ExitStack, *, live: bool) -> None:
        shares = self.sessions if live else self.requests
        most = party.concurrency if live else None
        if not shares.take(party, most=most):
            if most is not None and shares.held(party) >= most:
                raise BudgetSpent(
                    f"This key may have {most} live sessions at a time, and all of them are open.", retry_after=1.0
                )
            raise overloaded("sessions" if live else "requests", shares, party)
        stay.callback(shares.give, party)


class AdmissionMiddleware:
    """Release a caller's share when its request has ended, and respond with 503 to a request that shutdown cancels.

    Shutdown cancels requests after a second Ctrl-C, or when their grace period is over.
    """

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
                except RuntimeError as begun:  # the response has started and can only be cut off
                    raise asyncio.CancelledError from begun


def _shutting_down() -> ServiceUnavailable:
    return ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
