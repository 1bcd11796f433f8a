"""GET / and /playground/*: the static files of the playground, a web page that uses the public API."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from compat import __version__

FOLDER = Path(__file__).parent.parent / "playground"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cache-control": "no-cache",
}


LONGEST = 255  # characters of a path; joining thousands of parts would be slow


class _Files(StaticFiles):
    def get_path(self, scope: Scope) -> str:
        if len(scope["path"]) > LONGEST:
            raise HTTPException(404)
        return super().get_path(scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


def routes(*, calls: bool) -> list[BaseRoute]:
    """Return the routes of the page and of its files. `calls`: the page offers calls by WebRTC."""
    text = (
        (FOLDER / "index.html")
        .read_text()
        .replace("{{version}}", __version__)
        .replace("{{calls}}", "" if calls else "hidden")
    )

    async def page(_: Request) -> Response:
        return HTMLResponse(text, headers=HEADERS)

    return [Route("/", page), Mount("/playground", _Files(directory=FOLDER))]
