"""Headers of trusted proxies: client address, scheme and path prefix.

Any client can send these headers, so they are used only if COMPAT_TRUSTED_PROXIES contains the peer's address.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.config import networks

_SCHEMES = {"http": ("http", "ws"), "https": ("https", "wss"), "ws": ("http", "ws"), "wss": ("https", "wss")}


class ProxyMiddleware:
    """Apply X-Forwarded-For to the client, -Proto to the scheme, and remove -Prefix from the path."""

    def __init__(self, app: ASGIApp, trusted: tuple[networks.Network, ...]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and networks.within((scope["client"] or ("",))[0], self._trusted):
            headers = Headers(scope=scope)
            self._apply(scope, headers)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope, headers: Headers) -> None:
        forwarded = ",".join(headers.getlist("x-forwarded-for")).split(",")
        scope["client"] = (networks.caller(scope["client"][0], forwarded, self._trusted), 0)
        schemes = _SCHEMES.get(headers.get("x-forwarded-proto", "").strip().lower())
        if schemes:
            scope["scheme"] = schemes[scope["type"] == "websocket"]
        prefix = headers.get("x-forwarded-prefix", "").strip().rstrip("/")
        if prefix and str(scope["path"]).startswith(f"{prefix}/"):  # some proxies have already removed it
            scope["path"] = scope["path"][len(prefix) :]
