"""Closing connections: early responses, clients that stop reading or keep sending, and a stopping server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.server import closing as ending
from compat.server import http
from tests.server.stage import Wire, connected
from tests.servers import serve

BODY = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000000\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", 401)(scope, receive, send)


async def early_and_last(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", 401, {"connection": "close"})(scope, receive, send)


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    async def words() -> Iterator[str]:  # type: ignore[misc]  # an async generator
        while True:
            yield "word "
            await asyncio.sleep(0)

    await StreamingResponse(words())(scope, receive, send)


@pytest.mark.parametrize("app", [early, early_and_last])
@pytest.mark.parametrize("rate", [0, 600, 10_000_000])
async def test_a_body_is_read_for_a_limited_time_after_an_early_response(app: object, rate: int) -> None:
    wire = Wire()
    async with connected(app, wire) as (protocol, loop):  # type: ignore[arg-type]
        protocol.data_received(BODY)
        seconds = 0
        while not wire.closed and seconds < 60:
            seconds += 1
            protocol.data_received(b"a" * rate)
            await loop.until(seconds)

    assert b" 401 " in wire.written
    assert wire.ended
    assert seconds <= http.DRAIN + 2
    assert rate * seconds <= http.DRAINED + 3 * rate


async def test_the_connection_stays_open_if_the_body_ends_soon_after_its_response() -> None:
    wire = Wire()
    async with connected(early, wire) as (protocol, loop):
        protocol.data_received(BODY.replace(b"200000000", b"2000"))
        await loop.until(2.0)
        protocol.data_received(b"a" * 2000 + GET)
        await loop.until(3.0)

    assert not wire.ended
    assert 2 == wire.written.count(b" 401 ")


# unread bytes, second by second → whether the client is cut off
READERS: dict[str, tuple[list[int], bool]] = {
    "stops": ([200_000] * 62, True),
    "stops after a while": ([*range(200_000, 100_000, -1000), *[100_000] * 62], True),
    "is slow": ([*range(200_000, 0, -1)][:400], False),
    "reads now and then": (([9] * 50 + [8] * 50 + [7] * 50 + [6] * 50), False),
    "has read everything": ([0] * 200, False),
    "reads nothing while the queue grows": ([*range(1000, 1062)], True),
}


@pytest.mark.parametrize(("waiting", "cut"), READERS.values(), ids=READERS)
async def test_a_client_that_stops_reading_a_response_is_cut_off(waiting: list[int], cut: bool) -> None:
    wire = Wire()
    async with connected(endless, wire) as (protocol, loop):
        protocol.data_received(GET)
        protocol.pause_writing()
        for second, wire.unacknowledged in enumerate(waiting):
            await loop.until(second)

    assert cut is wire.aborted


@pytest.mark.parametrize("closing", [False, True])
async def test_a_stopping_server_waits_less_for_a_client_that_has_stopped_reading(closing: bool) -> None:
    wire = Wire()
    async with connected(early if closing else endless, wire) as (protocol, loop):
        wire.unacknowledged = 1000
        protocol.pause_writing()
        protocol.data_received(GET)
        await loop.until(1.0)
        protocol.shutdown()
        await loop.until(http.STOPPING_TIMEOUT + 3)

    assert wire.aborted


async def answered(_: Request) -> Response:
    return PlainTextResponse("a" * 100_000, 503, {"connection": "close"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(Starlette(routes=[Route("/", answered, methods=["POST"])])) as root:
        yield int(root.rpartition(":")[2])


def test_an_early_response_reaches_a_client_that_sends_its_whole_body_first(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(BODY.replace(b"200000000", b"20000000") + b"a" * 20_000_000)
        received = b"".join(iter(lambda: client.recv(65536), b""))

    assert received.startswith(b"HTTP/1.1 503 ")
    assert received.endswith(b"a" * 100_000)


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs Linux's TIOCOUTQ")  # noqa: PTH110
async def test_bytes_in_the_kernel_count_while_this_process_has_bytes_left() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
        assert 0 == ending.unacknowledged(transport)
        transport.write(b"a" * 1000)
        held = ending.unacknowledged(transport)
        assert held > 1000
        transport.abort()


class Segments(Wire):
    """A transport that records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.segments: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        self.segments.append(bytes(data))


async def slow_to_begin(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"late"})


RESPONSES: list[tuple[ASGIApp, bytes, list[bytes]]] = [
    # app, method, the ends of the segments
    (PlainTextResponse("soon"), b"GET", [b"\r\n\r\nsoon"]),
    (PlainTextResponse("none"), b"HEAD", [b"\r\n\r\n"]),
    (Response(status_code=204), b"GET", [b"\r\n\r\n"]),
    (slow_to_begin, b"GET", [b"\r\n\r\n", b"late"]),
]


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"])
@pytest.mark.parametrize(("app", "method", "ends"), RESPONSES)
async def test_a_head_is_sent_with_the_body_unless_that_is_late(
    app: ASGIApp, method: bytes, ends: list[bytes], last: bytes
) -> None:
    wire = Segments()
    async with connected(app, wire):
        wire.receive(method + b" / HTTP/1.1\r\nhost: x\r\n" + last + b"\r\n")
        await asyncio.sleep(0.02)
        assert bool(last) == (wire.closed or wire.ended)

    assert wire.segments[0].startswith(b"HTTP/1.1 20")
    assert ends == [segment[-len(end) :] for segment, end in zip(wire.segments, ends, strict=True)]
