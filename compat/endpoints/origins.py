"""Origin checks: which web pages may send requests, and which host names a server without keys accepts.

Any web page can make a browser send requests to 127.0.0.1: form posts, which need no CORS preflight, WebSockets, which
CORS does not cover, and requests to a host name of its own that resolves to 127.0.0.1 (DNS rebinding), which the
browser treats as same-origin. The headers Host, Origin and Sec-Fetch-Site reveal such requests.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.endpoints.access_log import request_id_of
from compat.endpoints.paths import PROBES
from compat.errors import Forbidden

METHODS = ("GET", "HEAD", "POST", "DELETE")
NOT_ALLOWED = "Pages of this origin are not allowed: add it to COMPAT_CORS_ORIGINS."
_NO_ORIGIN = frozenset("@\\/?#%")
"""Characters that no serialised origin contains after its scheme (RFC 6454, 6.2)."""


class OriginMiddleware:
    """Protect a server without keys from web pages.

    Programs and pages on this machine are served, and so are the host names in `hosts` and the pages in `origins`.
    Other requests get 403. Health checks always pass.
    """

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
                request_id = {"x-request-id": request_id_of(headers)} if scope["type"] == "websocket" else {}
                await JSONResponse(error.body(), error.status, error.headers() | request_id)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise Forbidden for a foreign host name or page."""
        name = _name(headers.get("host", ""))
        if name and not loopback(name) and name not in self._hosts:
            raise Forbidden(
                f"This server has no keys and accepts only host names of this machine, not {name[:100]}: add it to "
                "COMPAT_ALLOWED_HOSTS."
            )
        origins = headers.getlist("origin")
        for origin in origins:
            check(origin, headers.get("host", ""), self._origins)
        if not origins and _cross_site(headers) and not _navigation(scope, headers) and "*" not in self._origins:
            raise Forbidden("Web pages of other sites cannot use a server without keys: set COMPAT_API_KEYS.")


class Cors(CORSMiddleware):
    """Starlette's CORS middleware, with its errors in the common shape. With `local`, pages on this machine are allowed
    too."""

    def __init__(self, app: ASGIApp, *, local: bool, origins: Sequence[str], exposed: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            allow_private_network=True,  # a public page may call a server on the user's own network
            expose_headers=exposed,
        )
        self._local = local

    def is_allowed_origin(self, origin: str) -> bool:
        return super().is_allowed_origin(origin) or (self._local and _served(origin, ""))

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        method = request_headers["access-control-request-method"][:20]
        allowed = self.is_allowed_origin(request_headers["origin"])
        error = Forbidden(f"Pages may use {', '.join(METHODS)}, not {method}." if allowed else NOT_ALLOWED)
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return JSONResponse(error.body(), error.status, kept)


def check(origin: str, host: str, named: tuple[str, ...]) -> None:
    """Raise Forbidden unless `origin` is on loopback, on the requested `host`, or in `named`."""
    if origin in named or "*" in named:
        return
    if not _served(origin, host):
        raise Forbidden(NOT_ALLOWED)


def _served(origin: str, host: str) -> bool:
    """Return whether a page is on loopback or on the requested `host`."""
    try:
        parts = urlsplit(origin)
        local = loopback(parts.hostname or "") or (bool(host) and parts.netloc.lower() == host.lower())
    except ValueError:  # an unparsable origin such as http://[
        return False
    return local and _NO_ORIGIN.isdisjoint(origin.partition("://")[2])


def loopback(name: str) -> bool:
    """Return whether a host name or address always refers to this machine (RFC 6761, 6.3)."""
    if name in ("127.0.0.1", "localhost"):  # parsing an address takes much longer
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _name(host: str) -> str:
    """Return the host without its port and without the brackets of an IPv6 address."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")


def _cross_site(headers: Headers) -> bool:
    return "cross-site" in headers.getlist("sec-fetch-site")


def _navigation(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser navigates to the playground."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
        return False
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
