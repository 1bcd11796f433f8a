"""Middleware that refuses unknown host names, and requests of other origins to the control routes.

`Host` reveals a page whose name resolves to this machine (DNS rebinding); `Origin` and `Sec-Fetch-Site` reveal a
request from another origin. Surfaces need an API key in a header, which a page cannot send; control routes need none.
A page can send a key for run-task, in the query. If any key is accepted, the page's origin must therefore be known.
"""

from __future__ import annotations

import uuid

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from compat.emulator import refusals
from compat.emulator.refusals import Refusal
from compat.emulator.site import LOOPBACK, Site, hostname

CONTROLS = ("/emulator/faults", "/emulator/counts", "/emulator/requests", "/emulator/sessions", "/emulator/reset")


class OriginMiddleware:
    """Also removes trailing slashes from paths, which some clients send."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        refused = self._refused(HTTPConnection(scope))
        if refused is None:
            await self._app(scope, receive, send)
            return
        answer = refusals.native(refused, str(uuid.uuid4()))
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(answer)
        else:
            await answer(scope, receive, send)

    def _refused(self, connection: HTTPConnection) -> Refusal | None:
        host = connection.headers.get("host", "")
        if not self._site.known(host):
            return Refusal(
                421, "MisdirectedRequest", f"The host name {host[:200]!r} is not allowed: add it with --allow-host."
            )
        if connection.scope["path"] in CONTROLS and foreign(connection.headers):
            return Refusal(403, "AccessDenied", "Control routes are not available to pages of other origins.")
        return None


def foreign(headers: Headers) -> bool:
    """Whether the request comes from a page of another origin."""
    origin = headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != headers.get("host", "").lower():
        return True
    return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def page_refusal(headers: Headers, site: Site) -> Refusal | None:
    """Return the refusal for a page whose host is neither this machine nor one of `site`, or None."""
    origin = headers.get("origin")
    if origin is None:
        return None
    name = hostname(origin.partition("://")[2])
    if name in LOOPBACK or (site.hosts is not None and name and site.known(name)):
        return None
    message = f"Pages of {origin[:200]} are not allowed: start the emulator with --key or --allow-host."
    return Refusal(403, "AccessDenied", message)
