"""Bounds of live sessions: frame size, buffered sound, and clients that do not read."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from compat.config.settings import Settings
from compat.endpoints.auth import Gate
from compat.endpoints.live_session import Bounds
from compat.endpoints.realtime import Realtime
from compat.observability.metrics import Metrics
from compat.server.run import LARGEST_FRAME
from compat.upstream.sockets import Sockets
from tests.endpoints.live import MANUAL, SPEECH, LiveClient, live_client, live_server
from tests.running import RunningServer
from tests.server.test_websocket import WHOLE as HANDSHAKE
from tests.servers import serve


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server("hello there") as opened:
        yield opened


async def test_an_append_may_contain_15_mib(server: RunningServer) -> None:
    async with live_client(server) as client:
        await client.send("input_audio_buffer.append", audio=base64.b64encode(bytes(15 << 20)).decode())
        await client.send("input_audio_buffer.clear")
        assert "input_audio_buffer.cleared" == (await client.until(".cleared"))[-1]["type"]


def test_a_frame_over_the_bound_closes_with_1009(server: RunningServer) -> None:
    """The server refuses the frame as soon as it has read the length."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0), timeout=20) as client:
        client.sendall(b"\r\n".join([b"GET /v1/realtime HTTP/1.1", *HANDSHAKE, b"", b""]))
        assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
        client.sendall(b"\x81\xff" + (LARGEST_FRAME + 1).to_bytes(8))
        received = b"".join(iter(lambda: client.recv(65536), b""))

    close = received.rpartition(b"\x88")[2]
    assert 1009 == int.from_bytes(close[1:3])


async def test_a_client_that_does_not_read_is_closed_with_1008() -> None:
    with bounded(Bounds(unread=0.2, backlog=64 << 10, goodbye=10)) as address:
        # With a queue of one frame, unread events fill the kernel's buffers and then those of the server.
        async with connect(address, max_queue=1, proxy=None, ping_interval=None) as socket:
            await flood(socket.send)
            _, close = await LiveClient(socket).until_closed()

    assert (1008, True) == (close.code, "read" in close.reason)


async def test_the_sound_of_one_session_is_bounded() -> None:
    """The turn is never committed."""
    with bounded(Bounds(sound=len(SPEECH))) as address:
        async with connect(address, proxy=None) as socket:
            await socket.send(json.dumps({"type": "session.update", "session": MANUAL}))
            audio = base64.b64encode(SPEECH).decode()
            for _ in range(3):
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            _, close = await LiveClient(socket).until_closed()

    assert (1013, True) == (close.code, "sound" in close.reason)


@contextlib.contextmanager
def bounded(bounds: Bounds) -> Iterator[str]:
    """Run a server with these bounds, and return the URL of its live sessions."""
    with live_server("hello there") as server:
        settings = Settings(base_url=server.service, dashscope_api_key="k")
        service = Sockets(settings.live_root, connect_timeout=5)
        realtime = Realtime(settings, Gate(settings), service, b"s", Metrics(region="custom", prices={}), bounds)
        with serve(Starlette(routes=[WebSocketRoute("/v1/realtime", realtime.live)])) as root:
            yield root.replace("http", "ws", 1) + "/v1/realtime"


async def flood(send: Any) -> None:  # noqa: ANN401 - a socket's send
    """Send requests with large replies until the server stops reading."""
    question = json.dumps({"type": "conversation.item.retrieve", "item_id": "x" * 200_000})
    try:
        async with asyncio.timeout(20):
            for _ in range(500):
                await send(question)
    except (TimeoutError, ConnectionClosed):
        return
