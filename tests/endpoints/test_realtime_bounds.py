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
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from compat.config.settings import Settings
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.endpoints.auth import Gate
from compat.endpoints.errands import Errands
from compat.endpoints.live_session import Bounds
from compat.endpoints.realtime import Realtime
from compat.jobs.opening import open_store
from compat.observability.metrics import Metrics
from compat.server.run import LARGEST_FRAME
from compat.spending.accounting import Accounting
from compat.upstream.shares import Shares
from compat.upstream.sockets import Sockets
from tests.endpoints.live import MANUAL, SPEECH, LiveClient, live_client, live_server
from tests.running import RunningServer, running_server
from tests.server.test_websocket import WHOLE as HANDSHAKE
from tests.servers import serve

ULAW = {"format": {"type": "audio/pcmu"}, "turn_detection": None}


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
    with bounded(Bounds(unread=0.2, backlog=64 << 10, closing=10)) as address:
        # With a queue of one frame, unread events fill the kernel's buffers and then those of the server.
        async with connect(address, max_queue=1, proxy=None, ping_interval=None) as socket:
            await flood(socket.send)
            _, close = await LiveClient(socket).until_closed()

    assert (1008, True) == (close.code, "read" in close.reason)


async def test_a_client_that_reads_after_it_has_sent_everything_gets_everything() -> None:
    """The voice is larger than the bound: the service is not read while it waits."""
    bounds = Bounds(ahead=16 << 10, backlog=256 << 10)
    said = VOCABULARY * 2
    with running_server(Tones()) as server, realtime(server.service, bounds, buffer=1 << 16) as address:
        async with contextlib.AsyncExitStack() as stack:
            clients = []
            for _ in range(2):
                receiving = socket.create_connection(("127.0.0.1", urlsplit(address).port or 0))
                receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                connecting = connect(
                    f"{address}/translations?model=gpt-realtime-translate",
                    sock=receiving, max_queue=1, proxy=None, ping_interval=None,
                )  # fmt: skip
                clients.append(LiveClient(await stack.enter_async_context(connecting)))
                await clients[-1].append(encode(lay(said), rate=24_000), 1 << 16, "session.input_audio_buffer.append")
                await clients[-1].send("session.close")
            for client in reversed(clients):  # while the last reads, the first has the time to fall behind
                events, close = await client.until_closed()
                words = "".join(event.get("delta", "") for event in events if "output_transcript" in event["type"])
                assert (close.code, words.split()) == (1000, [*said])
                assert sum(len(event.get("delta", "")) for event in events) > 2 * bounds.backlog


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


async def test_a_client_gets_its_pongs_while_minutes_of_audio_wait_for_the_service() -> None:
    """Clients ping every 20 s and hang up without a pong. A ping waits behind the audio that was sent before it."""
    with silent_service(Shares(1 << 30)) as address:
        async with connect(address, proxy=None, ping_interval=None) as socket:
            await pour(socket, minutes=20)
            await (await socket.ping())


async def test_audio_that_waits_for_the_service_leaves_memory_for_other_sessions_of_the_client() -> None:
    with silent_service(Shares(24 << 20)) as address:
        async with connect(address, proxy=None, ping_interval=None) as many:
            pouring = asyncio.create_task(pour(many, minutes=20))
            async with connect(address, proxy=None, ping_interval=None) as other:
                await pour(other, minutes=2)
                for _ in range(200):  # the server handles what `many` sent in between
                    await (await other.ping())
            pouring.cancel()

            assert many.state is State.OPEN
            many.transport.abort()  # the server does not read a close frame


async def pour(socket: ClientConnection, *, minutes: int) -> None:
    """Send silence as G.711, which takes little to send."""
    await socket.send(json.dumps({"type": "session.update", "session": {"audio": {"input": ULAW}}}))
    minute = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\xff" * 480_000).decode()})
    for _ in range(minutes):
        await socket.send(minute)


@contextlib.contextmanager
def silent_service(memory: Shares) -> Iterator[str]:
    """Run a server whose service accepts connections and never answers. Return the URL of its live sessions."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        root = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with realtime(root, Bounds(), memory) as address:
            yield address


@contextlib.contextmanager
def bounded(bounds: Bounds) -> Iterator[str]:
    """Run a server with these bounds, and return the URL of its live sessions."""
    with live_server("hello there") as server, realtime(server.service, bounds) as address:
        yield address


async def _unused(*_: object) -> str:
    """Accept any stored vocabulary, and translate nothing."""
    return ""


@contextlib.contextmanager
def realtime(root: str, bounds: Bounds, memory: Shares | None = None, buffer: int | None = None) -> Iterator[str]:
    settings = Settings(base_url=root, dashscope_api_key="k", grace=0.1)
    service = Sockets(settings.live_root, connect_timeout=60)
    metrics = Metrics(region="custom", prices={})
    accounting = Accounting(open_store(None).ledger())
    route = Realtime(
        settings, Gate(settings), service, b"s", metrics, Errands(_unused, _unused), accounting, bounds, memory=memory
    )
    routes = [
        WebSocketRoute("/v1/realtime", route.live),
        WebSocketRoute("/v1/realtime/translations", route.translate),
    ]
    app = Starlette(routes=routes)
    app.state.retire, app.state.leave = route.leave, route.leave
    with serve(app, buffer=buffer) as address:
        yield address.replace("http", "ws", 1) + "/v1/realtime"


async def flood(send: Any) -> None:  # noqa: ANN401 - a socket's send
    """Send requests with large replies until the server stops reading."""
    question = json.dumps({"type": "conversation.item.retrieve", "item_id": "x" * 200_000})
    try:
        async with asyncio.timeout(20):
            for _ in range(500):
                await send(question)
    except (TimeoutError, ConnectionClosed):
        return
