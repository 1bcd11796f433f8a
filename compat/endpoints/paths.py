"""Path normalisation before routing, and the paths of health checks.

A base URL with a trailing slash produces a double slash, some programs end every path with a slash, and the clients of
Azure and Groq add a prefix (openai-python `lib/azure.py`, groq-python, 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.catalogue import models as catalogue

PROBES: Final = ("/healthz", "/readyz", "/health")
"""Health checks, which are exempt from connection limits and origin checks."""

_AZURE = re.compile(
    r"/openai(?:/deployments/(?P<deployment>.+?))?(?:/v1)?(?P<path>/(?:audio|models|realtime)(?:/.*)?)",
    re.DOTALL,  # without it, a newline behind thousands of "/audio/" takes seconds
)
_GROQ = re.compile("/+openai/+v1/")
_OTHERS = re.compile(r"/openai(?:/deployments/(?P<deployment>[^/]+))?(?:/v1)?(?P<path>/.+)")


class PathMiddleware:
    """Replace the path with its canonical form.

    The request's state gets `sent` (the path as received), `deployment` (Azure's deployment name or None) and `groq`
    (whether the path has Groq's prefix).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            state = scope.setdefault("state", {})
            state["sent"] = scope["path"]
            state["groq"] = bool(_GROQ.match(scope["path"]))
            scope["path"], state["deployment"] = canonical(scope["path"])
        await self._app(scope, receive, send)


def canonical(path: str) -> tuple[str, str | None]:
    """Return the path without extra slashes and vendor prefixes, and Azure's deployment name or None."""
    plain = re.sub("/{2,}", "/", path)
    plain = plain.rstrip("/") or "/"
    match = _AZURE.fullmatch(plain) or _OTHERS.fullmatch(plain)
    return (f"/v1{match['path']}", match["deployment"]) if match else (plain, None)


def with_model(request: Request, sent: list[tuple[str, str]], aliases: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the form's fields, with Azure's deployment as the model.

    An unknown deployment falls back to the form's own model. Raises ModelNotFound if that is unknown too.
    """
    deployment = request.state.deployment
    if deployment is None:
        return sent
    models = [value.strip() for name, value in sent if name == "model"]
    others = [(name, value) for name, value in sent if name != "model"]
    return [("model", catalogue.deployed(deployment, models, aliases)), *others]
