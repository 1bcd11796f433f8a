"""A minimal Python proxy: a Starlette app that forwards requests with httpx2 without parsing them.

python -m benchmarks.servers.passthrough PORT UPSTREAM_PORT
"""

from __future__ import annotations

import sys

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CLIENT = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{sys.argv[2]}", timeout=60, trust_env=False)
HOP_BY_HOP = ("host", "connection")


async def forward(request: Request) -> Response:
    headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
    answer = await CLIENT.request(request.method, request.url.path, headers=headers, content=request.stream())
    return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        backlog=2048,
        timeout_keep_alive=75,
    )
