"""Request ids, processing times and the access log."""

from __future__ import annotations

import contextlib
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compat.observability.entry import RequestEntry
from compat.observability.metrics import Metrics, route
from compat.openai_api.jobs import NOWHERE

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

log = logging.getLogger("compat.access")
LONGEST = 256  # characters of a logged path
ROUTINE = ("/", "/favicon.ico", "/healthz", "/health", "/readyz", "/metrics")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(headers: Headers) -> str:
    """Return the client's `x-request-id` if it has at most 128 plain characters, else a new id."""
    sent = headers.get("x-request-id", "")
    return sent if _PLAIN_ID.fullmatch(sent) else f"req_{uuid.uuid4().hex}"


def client_of(scope: Scope) -> str:
    """Return the client's address. Behind a trusted proxy it is the one that the proxy reports."""
    return scope["client"][0] if scope.get("client") else ""


class AccessLogMiddleware:
    """Add `x-request-id` and `openai-processing-ms` to every response, and log and count every request."""

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
        """Serve a WebSocket handshake. Live sessions write their own log entry, so only a refusal is counted here."""
        entry = RequestEntry(method="GET")
        scope.setdefault("state", {})["entry"] = entry

        async def observed_send(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                entry.status = message["status"]
                self._metrics.refusal(message["status"], entry.error or "")
            await send(message)

        with self._traced(scope, entry):
            await self._app(scope, receive, observed_send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = request_id_of(Headers(scope=scope))
        client, path = client_of(scope), scope["path"][:LONGEST]
        entry = RequestEntry(request_id=request_id, client=client, method=scope["method"], path=path)
        scope.setdefault("state", {})["entry"] = entry

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                elapsed = round((time.perf_counter() - started) * 1000)
                headers = [(b"x-request-id", request_id.encode()), (b"openai-processing-ms", b"%d" % elapsed)]
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        try:
            with self._traced(scope, entry):
                await self._app(scope, receive, observed_send)
        finally:
            entry.ms = round((time.perf_counter() - started) * 1000, 1)
            self._metrics.request(entry)
            log.log(logging.DEBUG if _routine(entry) else logging.INFO, "request", extra={"fields": entry.fields()})


def _routine(entry: RequestEntry) -> bool:
    """Return whether a request is one of many routine ones: a poll of a job, a health check or a file of the page."""
    if entry.path.endswith(NOWHERE):  # a client asks whether there are jobs here
        return True
    if entry.method not in ("GET", "HEAD") or entry.status not in (200, 202, 304):
        return False
    return entry.status == 202 or entry.path in ROUTINE or entry.path.startswith("/playground/")
