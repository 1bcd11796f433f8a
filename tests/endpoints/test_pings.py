"""Pings in both directions, and pongs that are not delayed by other work."""

from __future__ import annotations

import asyncio
import base64
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_service
from websockets.frames import Frame, Opcode

from compat.app import create_app
from compat.config.settings import Settings
from compat.server.run import config
from tests.endpoints.live import MANUAL, LiveClient, live_client, live_server
from tests.running import RunningServer
from tests.servers import serve

FRAMES = 3
TRIES = 8


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server() as opened:
        yield opened


class Pinged(Connection):
    """One end of a WebSocket, which sets `pinged` when it receives a ping."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - those of websockets
        super().__init__(*args, **options)
        self.pinged = asyncio.Event()

    def process_event(self, event: object) -> None:
        super().process_event(event)  # type: ignore[arg-type]  # an Event, which has no public name
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged.set()


class PingedClient(Pinged, ClientConnection):
    pass


class PingedService(Pinged, ServerConnection):
    pass


def test_clients_are_pinged_every_20_seconds() -> None:
    assert 20.0 == inspect.signature(config).parameters["ping"].default


async def test_a_session_is_pinged_from_both_ends_and_pings_both() -> None:
    service: asyncio.Queue[PingedService] = asyncio.Queue()

    async def serve_session(connection: ServerConnection) -> None:
        assert isinstance(connection, PingedService)
        service.put_nowait(connection)
        async for frame in connection:
            if "session.finish" in str(frame):
                return

    async with serve_service(serve_session, "127.0.0.1", 0, create_connection=PingedService) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        settings = Settings(base_url=f"http://127.0.0.1:{port}", dashscope_api_key="k", log_level="error")
        with serve(create_app(settings), ping=0.05) as root:
            address = root.replace("http", "ws", 1) + "/v1/realtime?intent=transcription"
            async with connect(address, proxy=None, create_connection=PingedClient) as client:
                assert isinstance(client, PingedClient)
                await client.pinged.wait()
                await (await client.ping())
                upstream = await service.get()
                await upstream.pinged.wait()
                await (await upstream.ping())
            await upstream.wait_closed()


async def test_pings_are_answered_while_audio_arrives(server: RunningServer) -> None:
    async with live_client(server) as client:
        await client.send("session.update", session=MANUAL)
        await client.append(bytes(48_000 * 20), step=480_000)
        await (await client.socket.ping())
        await client.send("input_audio_buffer.commit")
        await client.until(".committed")


async def test_large_frames_of_one_client_do_not_delay_pongs_to_others(server: RunningServer) -> None:
    """On a busy machine a client may read two replies before the pongs between them, so this tries several times."""
    for _ in range(TRIES):
        counts = await pongs_at_each_mark(server)
        if all(before < after for before, after in itertools.pairwise(counts)):
            return
    pytest.fail(f"{counts} pongs had come")


async def pongs_at_each_mark(server: RunningServer) -> list[int]:
    """Return how many pongs one client has received after each large frame of another client."""
    pongs = 0

    async def ping(quiet: LiveClient) -> None:
        nonlocal pongs
        while True:
            await (await quiet.socket.ping())
            pongs += 1

    async def pour(loud: LiveClient) -> None:
        audio = base64.b64encode(bytes(96_000 * 25)).decode()
        for _ in range(FRAMES):
            await loud.send("input_audio_buffer.append", audio=audio)
            await loud.send("conversation.item.retrieve", item_id="a mark")

    async with live_client(server) as quiet, live_client(server) as loud, asyncio.TaskGroup() as group:
        form = {"type": "audio/pcm", "rate": 48_000}
        update = {"type": "transcription", "audio": {"input": {"format": form, "turn_detection": None}}}
        await loud.send("session.update", session=update)
        tasks = [group.create_task(ping(quiet)), group.create_task(pour(loud))]
        counts = []
        for _ in range(FRAMES):
            await loud.until("error")
            counts.append(pongs)
        tasks[0].cancel()
    return counts
