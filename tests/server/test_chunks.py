"""Bodies of thousands of short chunks do not block the event loop."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from compat.server.http import BODY_BLOCK, CHUNKS, DRAINED
from tests.server.stage import Wire, connected

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Reader:
    """An application that records the sizes of body messages and responds with their sum."""

    def __init__(self) -> None:
        self.pieces: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more, pieces = True, []
        while more:
            message = await receive()
            more = message["more_body"]
            pieces.append(len(message["body"]))
        self.pieces += pieces
        await PlainTextResponse(f"<{sum(pieces)}>")(scope, receive, send)


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("early")(scope, receive, send)


async def settled(wire: Wire, expected: bytes) -> None:
    for _ in range(5_000):
        if expected in wire.written:
            return
        await asyncio.sleep(0)
    raise AssertionError(wire.written)


@pytest.mark.parametrize("size", [1, 2, 7, 40])
@pytest.mark.parametrize("read", [1 << 10, 1 << 18])
async def test_a_bounded_number_of_chunks_is_parsed_per_iteration(size: int, read: int) -> None:
    count, wire, reader = 5_000, Wire(), Reader()
    chunk = b"%x\r\n%s\r\n" % (size, b"a" * size)
    sent = HEAD + chunk * count + b"0\r\n\r\n" + NEXT
    async with connected(reader, wire) as (protocol, _):
        at = 0
        while at < len(sent):
            if wire.reads:
                protocol.data_received(sent[at : at + read])
                at += read
            await asyncio.sleep(0)
        await settled(wire, b"<0>")

    assert b"<%d>" % (count * size) in wire.written
    assert max(reader.pieces) <= (CHUNKS + BODY_BLOCK // len(chunk) + 1) * size
    assert wire.reads


async def test_large_reads_are_passed_on_whole() -> None:
    wire, reader, read = Wire(), Reader(), 1 << 18
    async with connected(reader, wire) as (protocol, _):
        protocol.data_received(HEAD.replace(b"transfer-encoding: chunked", b"content-length: %d" % (4 * read)))
        for _ in range(4):
            protocol.data_received(b"a" * read)
            await settled(wire, b"")
            for _ in range(3):
                await asyncio.sleep(0)
        await settled(wire, b"<%d>" % (4 * read))

    assert [read] * 4 == [size for size in reader.pieces if size]


async def test_discarded_bytes_after_an_early_response_include_chunk_framing() -> None:
    wire, received = Wire(), 0
    read = (b"1;" + b"x" * 16_000 + b"\r\nx\r\n") * 64
    async with connected(early, wire) as (protocol, _):
        protocol.data_received(HEAD)
        await settled(wire, b"early")
        while received < 2 * DRAINED and not wire.ended:
            if wire.reads:
                protocol.data_received(read)
                received += len(read)
            await asyncio.sleep(0)

    assert DRAINED < received <= DRAINED + 2 * len(read)


async def test_the_next_request_is_answered_after_an_unread_body_of_short_chunks() -> None:
    wire = Wire()
    async with connected(early, wire) as (protocol, _):
        protocol.data_received(HEAD)
        await settled(wire, b"early")
        wire.written = b""
        protocol.data_received(b"1\r\na\r\n" * 5_000 + b"0\r\n\r\n" + NEXT)
        assert not wire.reads
        await settled(wire, b"early")

    assert wire.reads
    assert not wire.ended


async def test_a_connection_can_close_while_chunks_are_unparsed() -> None:
    wire = Wire()
    async with connected(Reader(), wire) as (protocol, _):
        protocol.data_received(HEAD + b"1\r\na\r\n" * 5_000)
        assert not wire.reads
    await asyncio.sleep(0)

    assert not wire.written
