"""Requests and responses of DirectTransport, and their faults."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest

from compat.upstream.connection import AHEAD
from tests.upstream.direct.peers import LONG, OK, answering, blocks, client, end, peer, received, silent

PACKED = gzip.compress(b"{}")
ANSWERS: list[tuple[list[bytes], int]] = [
    # pieces of the response → connections that two requests take
    ([OK], 1),
    ([OK[at : at + 1] for at in range(len(OK))], 1),
    ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], 1),
    ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n{\r\n", b"1\r\n}\r\n", b"0\r\n\r\n"], 1),
    ([b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED), PACKED], 1),
    ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{", b"}"], 2),
    ([OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"], 2),
    ([OK + b"rubbish"], 2),
]


@pytest.mark.parametrize(("pieces", "connections"), ANSWERS)
async def test_a_connection_is_used_again_only_if_nothing_is_left_on_it(pieces: list[bytes], connections: int) -> None:
    async with peer(answering(*pieces)) as service, client() as http:
        for _ in range(2):
            assert b"{}" == (await http.post(service.url, content=b"body")).content
        assert connections == service.connections


async def test_an_unrequested_response_is_not_taken_for_the_next_one() -> None:
    sent = asyncio.Event()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received(reader)
        writer.write(OK)
        await sent.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother")
        await end(reader)

    async with peer(talkative, answering(OK)) as service, client() as http:
        await http.get(service.url)
        sent.set()
        await service.tasks[0]
        assert b"{}" == (await http.get(service.url)).content


async def test_a_response_without_length_lasts_until_the_connection_is_closed() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async with peer(closing) as service, client() as http:
        for _ in range(2):
            assert b"all of it" == (await http.get(service.url)).content
        assert 200 == (await http.head(service.url)).status_code


@pytest.mark.parametrize("where", ["write", "head", "body"])
async def test_a_cancelled_request_closes_its_connection(where: str) -> None:
    here, finished = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (reader.readuntil(b"\r\n\r\n") if where == "write" else received(reader))
        if where == "body":
            writer.write(OK[:-1])
            await writer.drain()
        here.set()
        await end(reader)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"x" * (LONG if where == "write" else 10)
        finally:
            finished.set()

    async with peer(handle, answering(OK)) as service, client() as http:
        length = str(LONG if where == "write" else 10)
        sending = asyncio.create_task(http.post(service.url, content=body(), headers={"content-length": length}))
        await here.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await finished.wait()
        await service.tasks[0]
        assert b"{}" == (await http.get(service.url)).content


async def test_a_service_that_closes_while_the_body_is_sent() -> None:
    async def closing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with peer(closing) as service, client() as http:
        with pytest.raises((httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)):
            await http.post(service.url, content=blocks(*[1 << 20] * 16))


@pytest.mark.parametrize("first", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_a_service_that_sends_or_closes_at_once(first: bytes) -> None:
    async def hasty(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)

    async with peer(hasty, hasty, hasty, answering(OK)) as service, client() as http:
        for _ in range(3):
            with pytest.raises(httpx2.TransportError) as caught:
                await http.get(service.url)
            assert not isinstance(caught.value, httpx2.TimeoutException)
        assert 200 == (await http.get(service.url)).status_code


@pytest.mark.parametrize("length", [True, False])
async def test_a_refusal_before_the_body_is_sent_ends_the_request(length: bool) -> None:
    """A refused upload of a file is not sent to its end."""
    produced = 0

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await end(reader)

    async def body() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield b"x" * (1 << 20)

    headers = {"content-length": str(1 << 40)} if length else {}
    async with peer(refusing, answering(OK)) as service, client() as http:
        response = await http.post(service.url, content=body(), headers=headers)
        assert (413, b"no") == (response.status_code, response.content)
        assert 200 == (await http.get(service.url)).status_code
    assert produced < 1000


async def test_a_refusal_is_returned_while_the_peer_does_not_read() -> None:
    returned = asyncio.Event()

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n")
        await returned.wait()
        writer.write(b"no")
        await end(reader)

    async with (
        peer(refusing) as service,
        client() as http,
        http.stream("POST", service.url, content=blocks(LONG, LONG)) as response,
    ):
        returned.set()
        assert (413, b"no") == (response.status_code, await response.aread())


@pytest.mark.parametrize("whole", [True, False])
async def test_a_success_before_the_body_is_sent_ends_the_request(whole: bool) -> None:
    """The rest of the body is not taken for the next request, whether it is in the write buffer or not produced yet."""
    answered = asyncio.Event()

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        answered.set()
        await end(reader)

    async def body() -> AsyncIterator[bytes]:
        if whole:
            yield b"x" * LONG
            return
        yield b"x"
        await answered.wait()
        for _ in range(10):
            await asyncio.sleep(0)
            yield b"x"

    async with peer(hasty, answering(OK)) as service, client() as http:
        headers = {"content-length": str(LONG if whole else 11)}
        assert b"{}" == (await http.post(service.url, content=body(), headers=headers)).content
        assert b"{}" == (await http.get(service.url)).content
        assert 2 == service.connections


async def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    sent = asyncio.Queue[bytes]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.put_nowait((await reader.readuntil(b"0\r\n\r\n")).partition(b"\r\n\r\n")[2])
        writer.write(OK)
        await end(reader)

    async with peer(handle) as service, client() as http:
        await http.post(service.url, content=blocks(3, 0, 17))
    assert b"3\r\nxxx\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n" == sent.get_nowait()


@pytest.mark.parametrize("sizes", [(), (9,), (10, 1), (5, 6), (11,)])
async def test_a_body_has_the_length_that_was_announced(sizes: tuple[int, ...]) -> None:
    async with peer(silent, answering(OK)) as service, client() as http:
        with pytest.raises(httpx2.LocalProtocolError):
            await http.post(service.url, content=blocks(*sizes), headers={"content-length": "10"})
        assert 200 == (await http.get(service.url)).status_code


async def test_an_error_in_the_body_closes_the_connection() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise FileNotFoundError

    async with peer(silent) as service, client() as http:
        with pytest.raises(FileNotFoundError):
            await http.post(service.url, content=body())


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{"
STALLS: list[tuple[int, bytes, type[httpx2.TimeoutException]]] = [
    # bytes of the body, what the peer answers before it stalls → the error
    (LONG, b"", httpx2.WriteTimeout),
    (10, b"", httpx2.ReadTimeout),
    (10, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", httpx2.ReadTimeout),
    (10, HALF, httpx2.ReadTimeout),
]


@pytest.mark.parametrize(("size", "answer", "error"), STALLS)
async def test_a_stalled_peer_times_out(size: int, answer: bytes, error: type[httpx2.TimeoutException]) -> None:
    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await over.wait()
        await end(reader)

    over = asyncio.Event()
    async with peer(stalling) as service, client(patience=0.2) as http:
        with pytest.raises(error):
            await http.post(service.url, content=b"x" * size)
        over.set()


async def test_a_slow_reader_holds_up_the_peer() -> None:
    written = 0
    stalled = asyncio.Event()

    async def generous(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await received(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LONG)
        while written < LONG:
            writer.write(b"x" * AHEAD)
            written += AHEAD
            waiting = asyncio.create_task(writer.drain())
            await asyncio.wait([waiting], timeout=0.3)
            if not waiting.done():  # on a busy machine it may only look like it, which does no harm
                stalled.set()
            await waiting
        await end(reader)

    async with peer(generous) as service, client() as http:
        async with http.stream("GET", service.url) as response:
            await stalled.wait()
            assert written < LONG
            assert LONG == sum([len(chunk) async for chunk in response.aiter_raw()])
        assert 1 == service.connections
