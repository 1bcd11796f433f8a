"""Memory limits for long live messages: a share for each client, and a timeout for incomplete messages."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from compat.config.principal import Party
from compat.server.connections import Connections
from compat.server.memory import FREE, Memory
from compat.server.run import LARGEST_FRAME, PONG, config
from compat.server.websocket import WebSocketProtocol
from compat.upstream.shares import Shares
from tests.polling import settled
from tests.server.stage import Loop, Wire
from tests.server.test_websocket import OPEN
from tests.servers import serve

A, B = (Party(name, alone=False) for name in "ab")


def frame(size: int, begin: bytes = b"\x82") -> bytes:
    """Return the head of a masked frame with a payload of `size` bytes."""
    return begin + b"\xff" + size.to_bytes(8) + bytes(4)


def test_a_long_message_counts_until_the_next_receive() -> None:
    shares = Shares(8 * FREE)
    one, two, other = (Memory(shares) for _ in range(3))
    one.set_party(A)
    two.set_party(A)
    other.set_party(B)

    assert one.fits(FREE)
    assert 0 == shares.used  # short messages do not count
    assert one.fits(4 * FREE)
    assert two.fits(2 * FREE)
    assert not two.fits(3 * FREE)  # half is reserved for other clients
    assert other.fits(3 * FREE)
    one.end()
    assert 6 * FREE == shares.used
    one.free()
    two.drop()
    assert 2 * FREE == shares.used
    assert two.fits(2 * FREE)


async def sizes(socket: WebSocket) -> None:
    """Respond with the length of each message. The path names the client."""
    socket.state.party = Party(socket.path_params["of"], alone=False)
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        await socket.send_text(str(len(message["bytes"])))


def until(fits: Callable[[], bool]) -> None:
    while not fits():
        pass


def test_unfinished_messages_of_one_client_leave_memory_for_other_clients() -> None:
    connections = Connections(memory=16 * FREE)
    with (
        serve(Starlette(routes=[WebSocketRoute("/{of}", sizes)]), connections=connections) as root,
        contextlib.ExitStack() as stack,
    ):

        def session(of: bytes, sent: bytes) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2])), timeout=20)
            stack.enter_context(client).sendall(OPEN.replace(b"/echo", b"/" + of))
            assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
            client.sendall(sent)
            return client

        session(b"a", frame(LARGEST_FRAME) + bytes(9 * FREE // 2))
        session(b"a", frame(4 * FREE, b"\x02") + bytes(4 * FREE) + frame(FREE, b"\0") + bytes(FREE // 2))
        until(lambda: connections.memory.used == 8 * FREE)
        refused = session(b"a", frame(LARGEST_FRAME) + bytes(4 * FREE)).recv(4)
        served = [session(of, frame(size) + bytes(size)).recv(64)[2:] for of, size in ((b"a", FREE), (b"b", 4 * FREE))]

        assert (b"\x88", 1013) == (refused[:1], int.from_bytes(refused[2:4]))
        assert [str(FREE).encode(), str(4 * FREE).encode()] == served
        stack.close()
        until(lambda: not connections.memory.used)


class SlowApp:
    """An application that receives the next message after `next` is released."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.codes: list[int] = []
        self.next = asyncio.Semaphore(0)

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.sizes.append(len(message["bytes"]))
            await self.next.acquire()
        self.codes.append(message["code"])


@contextlib.asynccontextmanager
async def session(app: SlowApp, shares: Shares) -> AsyncIterator[tuple[WebSocketProtocol, Wire, Loop]]:
    wire, loop = Wire(), Loop()
    protocol = WebSocketProtocol(config(app), ServerState(), {}, cast("asyncio.AbstractEventLoop", loop))
    protocol.share(shares)
    protocol.connection_made(wire)
    protocol.data_received(OPEN)
    await settled()
    try:
        yield protocol, wire, loop
    finally:
        protocol.connection_lost(None)
        app.next.release()
        await asyncio.gather(*protocol.tasks)


async def test_the_next_long_message_is_read_when_the_application_asks_for_it() -> None:
    app, shares = SlowApp(), Shares(64 * FREE)
    async with session(app, shares) as (protocol, wire, _):
        protocol.data_received(frame(6 * FREE) + bytes(6 * FREE))
        await settled()
        first = shares.used
        protocol.data_received(frame(8 * FREE) + bytes(3 * FREE))
        await settled()
        assert ([6 * FREE], first, False) == (app.sizes, shares.used, wire.reads)
        app.next.release()
        await settled()
        assert wire.reads
        assert shares.used < first
        protocol.data_received(bytes(5 * FREE))
        await settled()
        assert [6 * FREE, 8 * FREE] == app.sizes

    assert 0 == shares.used


@pytest.mark.parametrize("begin", [frame(LARGEST_FRAME), frame(0, b"\2") + frame(LARGEST_FRAME, b"\0")])
async def test_a_long_message_must_be_complete_within_the_timeout(begin: bytes) -> None:
    app, shares = SlowApp(), Shares(64 * FREE)
    async with session(app, shares) as (protocol, wire, loop):
        protocol.data_received(begin)
        for number in range(20):
            protocol.data_received(bytes(FREE))
            await loop.until(PONG / 2 * number)
        assert b"\x03\xf0A message must be complete within 600 seconds." in wire.written
        assert 0 == shares.used

    assert [1008] == app.codes


async def test_a_client_that_is_sending_a_long_frame_need_not_answer_pings() -> None:
    app = SlowApp()
    async with session(app, Shares(64 * FREE)) as (protocol, wire, loop):
        protocol.data_received(frame(10 * FREE))
        for number in range(10):
            await loop.until(50.0 * number)
            protocol.data_received(bytes(FREE))
        await settled()
        assert [10 * FREE] == app.sizes  # the application handles it for an hour
        protocol.data_received(frame(2) + bytes(2))
        await loop.until(3600.0)
        assert not wire.closed
        app.next.release()
        await settled()
        await loop.until(3600.0 + 2 * PONG + 60)  # no pongs, no data

    assert ([10 * FREE, 2], True) == (app.sizes, wire.closed)
