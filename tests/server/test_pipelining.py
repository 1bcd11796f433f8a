"""Pipelined requests on one connection, also with upgrades and requests for other protocols."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from compat.server.http import HEAD_BLOCK
from tests.polling import settled
from tests.server.stage import Wire, connected

TRAILED: list[bool] = []


async def slow(request: Request) -> Response:
    await request.state.gate.acquire()
    return PlainTextResponse(request.url.path)


async def echo(request: Request) -> Response:
    body = await request.body()
    TRAILED.append("x-trailer" in request.headers)
    return PlainTextResponse(body)


async def live(socket: WebSocket) -> None:
    await socket.accept()


APP = Starlette(
    routes=[Route("/echo", echo, methods=["POST"]), WebSocketRoute("/live", live), Route("/{path:path}", slow)]
)
UPGRADE = (
    b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def get(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("size", [65_536, 4_096, 7])
async def test_the_request_queue_is_bounded_and_all_requests_are_answered(method: bytes, size: int) -> None:
    count = 1_000 if size > 7 else 50
    sent = b"".join(get(str(number)).replace(b"GET", method) for number in range(count))
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        waited, at = 0, 0
        while wire.written.count(b"HTTP/1.1 200") < count:
            if wire.reads and at < len(sent):
                protocol.data_received(sent[at : at + size])
                at += size
            else:
                gate.release()
            await settled()
            waited = max(waited, len(protocol.pipeline))
            assert not (wire.reads and protocol.pipeline)

    assert waited < 50
    assert method == b"HEAD" or wire.written.index(b"\r\n\r\n/1H") < wire.written.index(b"\r\n\r\n/%dH" % (count - 2))


async def test_reading_pauses_while_a_body_is_queued_behind_another_request() -> None:
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        protocol.data_received(get("first") + b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        await settled()
        assert not wire.reads
        protocol.data_received(b"a" * 100_000)  # had already been sent
        assert len(protocol.cycle.body) < 20_000
        gate.release()
        await settled()

        assert wire.reads
        assert wire.written.endswith(b"a" * 100_000)


async def test_trailers_are_not_headers() -> None:
    TRAILED.clear()
    wire = Wire()
    chunked = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;x=1\r\na\r\n0\r\n"
    async with connected(APP, wire, gate=None) as (protocol, _):
        protocol.data_received(chunked + b"x-trailer: 1\r\n\r\n")
        await settled()

    assert wire.written.endswith(b"\r\n\r\na")
    assert [False] == TRAILED


async def test_an_upgrade_is_dropped_while_a_response_is_pending() -> None:
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        protocol.data_received(get("first") + get("second") + UPGRADE)
        for _ in range(2):
            gate.release()
        await settled()

    assert wire.ended
    assert 2 == wire.written.count(b"HTTP/1.1")
    assert wire.written.endswith(b"/second")


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_request_for_an_unsupported_upgrade_is_answered_in_http_1_1(size: int) -> None:
    """Java's client asks for HTTP/2 with each request."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    post = b"POST /echo HTTP/1.1\r\nhost: x\r\n" + offer + b"content-length: 3\r\n\r\nabc"
    sent = post + get("1").replace(b"\r\n\r\n", b"\r\n" + offer + b"\r\n") + get("2")
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        for at in range(0, len(sent), size):
            protocol.data_received(sent[at : at + size])
            await settled()
        for _ in range(2):
            gate.release()
        await settled()

    assert [b"abc", b"/1", b"/2"] == [
        answer.rpartition(b"\r\n\r\n")[2] for answer in wire.written.split(b"HTTP/1.1")[1:]
    ]


@pytest.mark.parametrize("waiting", [0, 1, 3])
async def test_a_running_request_sees_the_disconnect_while_others_are_queued(waiting: int) -> None:
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        protocol.data_received(get("a") + get("b") * waiting)
        await settled()
        protocol.connection_lost(None)
        gate.release()
        await settled()
        assert not protocol.tasks
        assert not wire.written


BROKEN = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("body", [b"ZZ\r\n", b"1\r\naZZ\r\n", b"1\r\na\r\n-1\r\n"])
@pytest.mark.parametrize("earlier", ["a", "ab", "abc"])
async def test_only_requests_before_a_malformed_body_are_answered(earlier: str, body: bytes) -> None:
    wire = Wire()
    async with connected(APP, wire, gate=(gate := asyncio.Semaphore(0))) as (protocol, _):
        protocol.data_received(b"".join(map(get, earlier)) + BROKEN + body)
        await settled()
        assert not wire.written
        for _ in earlier:
            gate.release()
            await settled()

    assert len(earlier) == wire.written.count(b"HTTP/1.1 200")
    assert 1 == wire.written.count(b"connection: close")
    assert wire.written.endswith(f"/{earlier[-1]}".encode())
    assert b"400" not in wire.written
    assert wire.ended or wire.closed


def post(body: bytes, framing: str) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\n"
    if framing == "declared":
        return head + b"content-length: %d\r\n\r\n%s" % (len(body), body)
    return head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("framing", ["declared", "chunked"])
async def test_bodies_end_where_they_say_however_the_bytes_arrive(framing: str) -> None:
    bodies = [b"<first>", b"<GET / HTTP/1.1\r\n\r\n>", b"<third>"]
    sent = b"".join(post(body, framing) for body in bodies)
    for step in range(1, len(sent) + 1):
        wire = Wire()
        async with connected(APP, wire) as (protocol, _):
            at = 0
            while at < len(sent):
                if wire.reads:
                    protocol.data_received(sent[at : at + step])
                    at += step
                await asyncio.sleep(0)
            await settled()

        assert [body in wire.written for body in bodies] == [True] * 3
        assert wire.written.count(b"200 OK") == 3


async def test_declared_bodies_are_kept_apart_from_requests_in_the_same_read() -> None:
    """Only as many requests are queued as one short block holds, also behind a body that is passed on whole."""
    wire, body = Wire(), b"a" * 200_000
    async with connected(APP, wire, gate=asyncio.Semaphore(0)) as (protocol, _):
        protocol.data_received(post(body, "declared") + get("") * 5_000)
        await settled()

        assert body in wire.written
        assert len(protocol.pipeline) <= HEAD_BLOCK // len(get("")) + 1
        assert not wire.reads
