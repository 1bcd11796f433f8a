"""Responses for unknown paths: 404 with the name of the API that the path belongs to, and a log line."""

from __future__ import annotations

import logging
import uuid

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from compat.emulator import refusals
from compat.emulator.refusals import Refusal

log = logging.getLogger("dashscope.emulator")
MISSING = {
    "/compatible-mode/v1/audio/transcriptions": "OpenAI's audio API, which DashScope does not have either",
    "/compatible-mode/v1/": "an OpenAI-compatible surface other than chat/completions",
    "/api/v1/services/": "a native service other than speech recognition",
    "/api-ws/": "a WebSocket other than /api-ws/v1/realtime and /api-ws/v1/inference",
}
"""Known APIs that the emulator lacks, by path prefix."""


def refusal(connection: HTTPConnection) -> Refusal:
    path = connection.url.path
    what = next((what for beginning, what in MISSING.items() if path.startswith(beginning)), "no known surface")
    log.warning("no such surface: %s %s", connection.scope.get("method", "WebSocket"), path[:200])
    return Refusal(404, "NotFound", f"Not found! The emulator has no {path[:200]} ({what}).", compat="not_found")


async def _unknown(request: Request) -> Response:
    shape = refusals.compat if request.url.path.startswith("/compatible-mode/") else refusals.native
    return shape(refusal(request), str(uuid.uuid4()))


async def _unknown_socket(socket: WebSocket) -> None:
    await socket.send_denial_response(refusals.native(refusal(socket), str(uuid.uuid4())))


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
ROUTES: list[BaseRoute] = [
    Route("/{path:path}", _unknown, methods=METHODS),
    WebSocketRoute("/{path:path}", _unknown_socket),
]
