"""GET /healthz: this process answers. It says nothing of DashScope."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})
