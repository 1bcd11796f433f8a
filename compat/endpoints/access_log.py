"""One id, one time and one log line for every request."""

from __future__ import annotations

import contextlib
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compat.observability.entry import RequestEntry
from compat.observability.metrics import Metrics, route

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

log = logging.getLogger("compat.access")
LONGEST = 256  # characters of a path in the log
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(headers: Headers) -> str:
    """The caller's own id when it is a plain one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _PLAIN_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"


def client_of(scope: Scope) -> str:
    """The caller's address, which behind a trusted proxy is what the proxy says."""
    return scope["client"][0] if scope.get("client") else ""


class AccessLogMiddleware:
    """Gives every answer `x-request-id` (the caller's, when it is a plain one) and `openai-processing-ms`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _traced(self, scope: Scope, entry: RequestEntry) -> contextlib.AbstractContextManager[None]:
        if self._traces is None:
            return contextlib.nullcontext()
        return self._traces.request(route(scope["path"]), Headers(scope=scope).get("traceparent"), entry)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A live session, which has a log line of its own unless it is refused."""
        entry = RequestEntry(method="GET")
        scope.setdefault("state", {})["entry"] = entry

        async def noted(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                entry.status = message["status"]
                self._metrics.refusal(message["status"], entry.error or "")
            await send(message)

        with self._traced(scope, entry):
            await self._app(scope, receive, noted)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = request_id_of(Headers(scope=scope))
        client, path = client_of(scope), scope["path"][:LONGEST]
        entry = RequestEntry(request_id=request_id, client=client, method=scope["method"], path=path)
        scope.setdefault("state", {})["entry"] = entry

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-processing-ms"] = str(round((time.perf_counter() - started) * 1000))
            await send(message)

        try:
            with self._traced(scope, entry):
                await self._app(scope, receive, noted)
        finally:
            entry.ms = round((time.perf_counter() - started) * 1000, 1)
            self._metrics.request(entry)
            log.info("request", extra={"fields": entry.fields()})
