"""Paths as clients build them, normalised before routing.

A base address with a slash at its end makes a double one, some programs end every path with one, and Azure's classes
and Groq's put their own prefix before the path (openai-python `lib/azure.py`, groq-python, 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.catalogue import models as catalogue

_AZURE = re.compile(r"/openai(?:/deployments/(?P<deployment>.+?))?(?:/v1)?(?P<path>/(?:audio|models|realtime)(?:/.*)?)")
_GROQ = re.compile("/+openai/+v1/")
_OTHERS = re.compile(r"/openai(?:/deployments/(?P<deployment>[^/]+))?(?:/v1)?(?P<path>/.+)")


class PathMiddleware:
    """The middleware. In the request's state, `deployment` is Azure's, where the path names one, `sent` the path as it
    came, and `groq` whether that is below Groq's prefix."""

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
    """The path without needless slashes and without the prefixes of other services; Azure's deployment."""
    plain = re.sub("/{2,}", "/", path)
    plain = plain.rstrip("/") or "/"
    found = _AZURE.fullmatch(plain) or _OTHERS.fullmatch(plain)
    return (f"/v1{found['path']}", found["deployment"]) if found else (plain, None)


def with_model(request: Request, sent: list[tuple[str, str]], aliases: Mapping[str, str]) -> list[tuple[str, str]]:
    """The form's fields, with Azure's deployment as the model; for an unknown deployment, the form's own model. Raises
    ModelNotFound."""
    deployment = request.state.deployment
    if deployment is None:
        return sent
    models = [value.strip() for name, value in sent if name == "model"]
    others = [(name, value) for name, value in sent if name != "model"]
    return [("model", catalogue.deployed(deployment, models, aliases)), *others]
