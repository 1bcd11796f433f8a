"""Serve one route without Starlette's router and its middleware for exceptions, which take time on each request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class StraightMiddleware:
    """Serve `POST path` by `endpoint`. Its exceptions are handled by `handlers`, those of the router."""

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        handlers: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]],
    ) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint
        self._handlers = handlers
        self._handled = tuple(handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await self._endpoint(request)
        except self._handled as exc:
            handle = next(handle for kind, handle in self._handlers.items() if isinstance(exc, kind))
            response = await handle(request, exc)
        await response(scope, receive, send)
