"""Which web pages may call, and under which host names a server without keys answers.

A page of any site can make its visitor's browser send requests to 127.0.0.1: as forms, which need no permission, over
WebSockets, which have none, and under a name of its own that resolves there (DNS rebinding), so that the browser
takes both for one site. The headers Host, Origin and Sec-Fetch-Site show it.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.endpoints.access_log import request_id_of
from compat.endpoints.probes import PROBES
from compat.errors import Forbidden

_NO_ORIGIN = frozenset("@\\/?#%")
"""What no browser writes behind the scheme of an origin (RFC 6454, 6.2)."""


class OriginMiddleware:
    """Middleware of a server without keys: serves programs and pages of its own machine, and those that `hosts` and
    `origins` name. Health checks always pass."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and scope["path"] not in PROBES:
            headers = Headers(scope=scope)
            try:
                self._check(scope, headers)
            except Forbidden as error:
                scope["state"]["entry"].error = error.code
                said = {"x-request-id": request_id_of(headers)} if scope["type"] == "websocket" else {}
                await JSONResponse(error.body(), error.status, error.headers() | said)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raises Forbidden."""
        name = _name(headers.get("host", ""))
        if name and not loopback(name) and name not in self._hosts:
            raise Forbidden(
                f"This server has no keys, so it answers under this machine's own names only, not as {name[:100]}: "
                "name it in COMPAT_ALLOWED_HOSTS."
            )
        origins = headers.getlist("origin")
        for origin in origins:
            check(origin, headers.get("host", ""), self._origins)
        if not origins and _elsewhere(headers) and not _visit(scope, headers) and "*" not in self._origins:
            raise Forbidden("Pages of other sites may not call a server without keys: set COMPAT_API_KEYS.")


class Cors(CORSMiddleware):
    """Starlette's, whose refusals are errors as all others are."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        error = Forbidden(f"{bytes(response.body).decode()}: COMPAT_CORS_ORIGINS names the pages that may call.")
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return JSONResponse(error.body(), error.status, kept)


def check(origin: str, host: str, named: tuple[str, ...]) -> None:
    """Raises Forbidden for a page that is neither from `host`, which was called, nor from loopback, nor `named`."""
    if origin in named or "*" in named:
        return
    try:
        parts = urlsplit(origin)
        ours = loopback(parts.hostname or "") or (bool(host) and parts.netloc.lower() == host.lower())
        ours = ours and _NO_ORIGIN.isdisjoint(origin.partition("://")[2])
    except ValueError:  # http://[
        ours = False
    if not ours:
        raise Forbidden("Pages of this origin may not call: name it in COMPAT_CORS_ORIGINS.")


def loopback(name: str) -> bool:
    """Whether a host's name or address always means this machine (RFC 6761, 6.3)."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _name(host: str) -> str:
    """Without the port and the brackets of an IPv6 address."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")


def _elsewhere(headers: Headers) -> bool:
    return "cross-site" in headers.getlist("sec-fetch-site")


def _visit(scope: Scope, headers: Headers) -> bool:
    """Whether a browser navigates to the page that is served here."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
        return False
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
