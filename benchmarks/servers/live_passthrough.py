"""A minimal Python proxy of WebSockets: a Starlette app that forwards messages with websockets without parsing them.

python -m benchmarks.servers.live_passthrough PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ROOT = f"ws://127.0.0.1:{sys.argv[2]}"


async def forward(client: WebSocket) -> None:
    address = f"{ROOT}{client.url.path}?{client.url.query}"
    async with connect(address, compression=None, proxy=None, ping_interval=None) as service:
        await client.accept()
        answering = asyncio.create_task(_answer(service, client))
        with contextlib.suppress(ConnectionClosed):
            while (message := await client.receive())["type"] == "websocket.receive":
                await service.send(message["text"] if message.get("text") is not None else message["bytes"])
        answering.cancel()


async def _answer(service: ClientConnection, client: WebSocket) -> None:
    async for frame in service:
        await (client.send_text(frame) if isinstance(frame, str) else client.send_bytes(frame))


if __name__ == "__main__":
    app = Starlette(routes=[WebSocketRoute("/{path:path}", forward)])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        backlog=2048,
    )
