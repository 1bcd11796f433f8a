"""A raw TCP peer and a client with DirectTransport."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

import httpx2

from compat.upstream.direct import DirectTransport, origin_of
from compat.upstream.parsing import RequestHead

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
LONG = 16 << 20  # bytes that no socket buffers
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """Handles each connection with the next of `handlers`, and repeats the last one. An error in a handler fails
    the test."""

    def __init__(self, handlers: tuple[Handler, ...]) -> None:
        self._handlers = handlers
        self.url = ""
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        return len(self.tasks)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.append(task)
        try:
            await self._handlers[min(self.connections, len(self._handlers)) - 1](reader, writer)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def peer(*handlers: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    opened = Peer(handlers)
    server = await asyncio.start_server(opened.connected, "127.0.0.1", 0, ssl=tls)
    opened.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield opened
        await asyncio.gather(*opened.tasks)
    finally:
        server.close()


class Transport(DirectTransport):
    """Sends the requests of a whole httpx2 client."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, AsyncIterable)
        head = RequestHead(request.method, request.url.raw_path, request.headers.raw)
        exchange = await self.exchange(origin_of(request.url), head, request.stream, request.extensions["timeout"])
        return httpx2.Response(exchange.answer.status, headers=exchange.answer.headers, stream=exchange)


@contextlib.asynccontextmanager
async def client(
    *, keepalive: int = 2, expiry: float = 60.0, patience: float = 20.0, verify: ssl.SSLContext | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    transport = Transport(verify or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), keepalive=keepalive, expiry=expiry)
    async with httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(patience, connect=20.0)) as opened:
        yield opened


async def received(reader: asyncio.StreamReader) -> bytes:
    """Return a request, or nothing if the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


async def end(reader: asyncio.StreamReader) -> bytes:
    """Return what arrives until the client closes the connection."""
    some = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(1 << 20):
            some += part[:100]
    return some


def answering(*pieces: bytes) -> Handler:
    """Answer every request with `pieces`, sent one by one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await received(reader):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return handle


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await end(reader)


async def blocks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size
