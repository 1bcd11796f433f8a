"""WebSocket clients that send thousands of short frames or read nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from uvicorn._types import ASGIReceiveEvent
from uvicorn.server import ServerState

from compat.server.run import config
from compat.server.websocket import BLOCK, FRAMES, WebSocketProtocol
from tests.polling import settled
from tests.server.stage import Wire
from tests.server.test_websocket import OPEN, echo
from tests.servers import serve

ZERO = bytes(4)
PING, TEXT, EMPTY = b"\x89\x80" + ZERO, b"\x81\x81" + ZERO + b"a", b"\0\x80" + ZERO
GOODBYE = b"\x88\x82" + ZERO + (1000).to_bytes(2)


class Watched(WebSocketProtocol):
    """Records the maximum length of the receive queue and of the write buffer."""

    waiting = 0
    unacknowledged = 0

    async def receive(self) -> ASGIReceiveEvent:
        type(self).waiting = max(self.waiting, self.queue.qsize())
        return await super().receive()

    def handle_ping(self) -> None:
        super().handle_ping()
        type(self).unacknowledged = max(self.unacknowledged, self.transport.get_write_buffer_size())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(Starlette(routes=[WebSocketRoute("/echo", echo)]), ws=Watched) as root:
        yield int(root.rpartition(":")[2])


def opened(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(OPEN)
    assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
    return client


def receive(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += (part := client.recv(65_536))
        assert part, received[-100:]
    return received


# the frames that are sent repeatedly, the reply to each
FLOODS = {"messages": (TEXT, b"\x81\x01a"), "pings": (PING, b"\x8a\0"), "both": (PING + TEXT, b"\x8a\0\x81\x01a")}


@pytest.mark.parametrize("count", [1, 10_000])
@pytest.mark.parametrize(("frame", "answer"), FLOODS.values(), ids=FLOODS)
def test_the_frame_queue_is_bounded_and_all_frames_are_answered(
    port: int, frame: bytes, answer: bytes, count: int
) -> None:
    Watched.waiting = 0
    with opened(port) as client:
        threading.Thread(target=client.sendall, args=(frame * count,)).start()
        received = receive(client, count * len(answer))

    assert (count, count) == tuple(received.count(part) for part in (answer[:2], answer[-2:]))
    assert Watched.waiting <= FRAMES + BLOCK // len(TEXT)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_may_be_split_at_any_byte(port: int, size: int) -> None:
    answers = [b"\x81\x01a", b"\x8a\0", b"\x8a\0", b"\x81\x02bc"]
    sent = TEXT + PING + b"\x01\x81" + ZERO + b"b" + EMPTY * 40 + PING + b"\x80\x81" + ZERO + b"c"
    with opened(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), size):
            client.sendall(sent[at : at + size])
        received = receive(client, sum(map(len, answers)))

    assert sorted(answers) == sorted(frames(received))


def frames(received: bytes) -> Iterator[bytes]:
    while received:
        yield received[: 2 + received[1]]
        received = received[2 + received[1] :]


def test_pongs_do_not_accumulate_for_a_client_that_never_reads(port: int) -> None:
    Watched.unacknowledged = 0
    ping = b"\x89\xfd" + ZERO + b"a" * 125
    with opened(port) as client:
        client.sendall(ping * 100_000)
        client.sendall(b"\x89\x81" + ZERO + b"z" + GOODBYE)
        received = b"".join(iter(lambda: client.recv(65_536), b""))

    assert Watched.unacknowledged < 1 << 20
    assert received.endswith(b"\x8a\x01z\x88\x02\x03\xe8")


@pytest.mark.parametrize("pings", [1, 2, 3])
@pytest.mark.parametrize("apart", [True, False])
async def test_the_last_ping_and_the_close_are_answered_once_the_client_reads(pings: int, apart: bool) -> None:
    wire, app = Wire(), Starlette(routes=[WebSocketRoute("/echo", echo)])
    session = WebSocketProtocol(config(app), ServerState(), {}, asyncio.get_running_loop())
    session.connection_made(wire)
    session.data_received(OPEN)
    await settled()
    assert session.handshake_complete
    session.pause_writing()
    sent = [PING] * (pings - 1) + [b"\x89\x81" + ZERO + b"z", GOODBYE]
    for part in sent if apart else [b"".join(sent)]:
        session.data_received(part)
    session.resume_writing()
    session.connection_lost(None)
    await asyncio.gather(*session.tasks)

    assert wire.written.endswith(b"\x8a\x01z\x88\x02\x03\xe8")
