"""A client's HTTP/1.1 connection, and one request and response on it.

The head of a request is written together with the first block of its body, unless that is large. All errors are
httpx2's.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from typing import Final, TypeAlias, cast

import httpx2

from compat.upstream.parsing import RequestHead, ResponseParser

JOINED: Final = 64 << 10  # longest block in bytes that is copied behind the head, to be sent with it
AHEAD: Final = 256 << 10  # bytes of a body that are received before they are read

Blocks: TypeAlias = Iterable[bytes] | AsyncIterable[bytes]
"""The body of a request. Those of an Iterable are not empty."""


class HttpConnection(asyncio.Protocol):
    """Serves one exchange at a time. Closes itself when the server closes it or sends something unasked."""

    transport: asyncio.Transport

    def __init__(
        self, origin: object, *, on_idle: Callable[[HttpConnection], None], on_lost: Callable[[HttpConnection], None]
    ) -> None:
        """`on_idle` is called when a response is complete and the connection can be used again, `on_lost` when the
        connection is closed."""
        self.origin = origin
        self.idle_since = 0.0
        self.closed = asyncio.Event()
        self.full = False
        """Whether the write buffer is full."""
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._exchange: Exchange | None = None

    async def send(self, head: RequestHead, blocks: Blocks, timeouts: Mapping[str, float | None]) -> Exchange:
        """Send a request with a body of `blocks`. Return the exchange once the head of the response is there. Raises
        httpx2's errors.

        `timeouts` are httpx2's: the seconds for each `write` and `read`."""
        self._exchange = exchange = Exchange(self, head, timeouts)
        try:
            await exchange.send(head, blocks)
            await exchange.answered()
        except BaseException:
            await exchange.aclose()
            raise
        return exchange

    def usable(self) -> bool:
        """Return whether the idle connection is still open. This asks the system too, because a busy event loop may not
        have seen its end."""
        return not self.transport.is_closing() and not _readable(self.transport)

    def release(self, *, reusable: bool) -> None:
        """End the exchange."""
        self._exchange = None
        if reusable and not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self._on_idle(self)
        else:
            self.transport.abort()

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._exchange:
            self._exchange.received(data)
        else:
            self.transport.abort()

    def eof_received(self) -> None:
        if self._exchange:
            self._exchange.lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.full = False
        if self._exchange:
            self._exchange.lost(exc)
        self._on_lost(self)
        self.closed.set()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._exchange:
            self._exchange.wake()


class Exchange(httpx2.AsyncByteStream):
    """One request and its response. It is the stream of the response's body.

    It leaves the connection with the last byte of the response, so that the connection serves the next request while
    this body is being read. If it ends in any other way, the connection is closed.
    """

    def __init__(self, connection: HttpConnection, head: RequestHead, timeouts: Mapping[str, float | None]) -> None:
        self.answer = ResponseParser(head_only=head.method == "HEAD")
        self._write_timeout, self._read_timeout = timeouts.get("write"), timeouts.get("read")
        self._connection: HttpConnection | None = connection
        self._transport = connection.transport
        self._loop = asyncio.get_running_loop()
        self._start = b""
        """The head of the request, until it is sent."""
        self._left: int | None = None
        """Bytes of the body that are still to be sent, if its length was declared."""
        self._sent = False
        self._paused = False
        self._taken = 0
        self._error: httpx2.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def answered(self) -> None:
        """Wait for the head of the response."""
        while not self.answer.status:
            if self._error:
                raise self._error
            await self._wait(self._read_timeout, httpx2.ReadTimeout)

    async def send(self, head: RequestHead, blocks: Blocks) -> None:
        """Send the request, or its beginning if the response does not wait for the rest."""
        self._start, self._left = head.data, head.length
        if isinstance(blocks, AsyncIterable):
            async with contextlib.aclosing(_not_empty(blocks)) as parts:
                async for block in parts:
                    if not self._write(block):
                        return
                    await self._drained()
        else:
            for block in blocks:
                if not self._write(block):
                    return
                if self._connection and self._connection.full:
                    await self._drained()
        if self._unwanted():
            return
        if self._left:
            raise httpx2.LocalProtocolError("The body is shorter than its content-length.")
        self._sent = True
        if end := self._start + (b"0\r\n\r\n" if self._left is None else b""):
            self._transport.write(end)
            await self._drained()

    def _write(self, block: bytes) -> bool:
        """Send a block of the body, which is not empty, and return whether it was wanted."""
        if self._unwanted():
            return False
        if self._left is None:
            block = b"%x\r\n%b\r\n" % (len(block), block)
        else:
            self._left -= len(block)
            if self._left < 0:
                raise httpx2.LocalProtocolError("The body is longer than its content-length.")
            self._sent = not self._left
        if self._start and len(block) <= JOINED:
            block = self._start + block
        elif self._start:
            self._transport.write(self._start)
        self._start = b""
        self._transport.write(block)
        return True

    async def _drained(self) -> None:
        while self._connection and self._connection.full and not self._unwanted():
            await self._wait(self._write_timeout, httpx2.WriteTimeout)

    def _unwanted(self) -> bool:
        """Return whether the rest of the request need not be sent: the connection is lost, or the server has answered
        already. A success may depend on the rest until it is complete."""
        return self._connection is None or self.answer.status >= 300

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        chunks = self.answer.chunks
        try:
            while True:
                while chunks:
                    chunk = chunks.popleft()
                    self._taken += len(chunk)
                    yield chunk
                if self.answer.done:
                    return
                if self._error:
                    raise self._error
                self._pause(paused=False)
                await self._wait(self._read_timeout, httpx2.ReadTimeout)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection, unless the response is complete."""
        if self._connection:
            self._fail(httpx2.ReadError("The response was closed."))
            self.wake()

    # called by the connection

    def received(self, data: bytes) -> None:
        answer = self.answer
        try:
            answer.feed(data)
        except httpx2.RemoteProtocolError as exc:
            self._fail(exc)
        else:
            if answer.done:
                self._leave(reusable=answer.reusable and self._sent)
            elif answer.size - self._taken > AHEAD:
                self._pause(paused=True)
        self.wake()

    def lost(self, exc: Exception | None) -> None:
        """End the exchange, because the server has closed the connection or, with `exc`, the connection is lost."""
        try:
            if exc:
                raise httpx2.ReadError(str(exc)) from exc
            self.answer.eof()
        except httpx2.TransportError as error:
            self._fail(error)
        else:
            self._leave(reusable=False)
        self.wake()

    def wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: httpx2.TransportError) -> None:
        self._error = error
        self.answer.stop()
        self._leave(reusable=False)

    def _leave(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.release(reusable=reusable and not self._paused)

    def _pause(self, *, paused: bool) -> None:
        """Pause or resume reading from the connection."""
        if paused is not self._paused:
            self._paused = paused
            if not self._transport.is_closing():
                self._transport.pause_reading() if paused else self._transport.resume_reading()

    async def _wait(self, seconds: float | None, error: type[httpx2.TimeoutException]) -> None:
        """Wait for the next event of the connection. Raises `error` if there is none for `seconds`."""
        self._waiter = waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, _expire, waiter, error)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()


async def _not_empty(blocks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    parts = aiter(blocks)
    try:
        async for part in parts:
            if part:
                yield part
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


def _expire(waiter: asyncio.Future[None], error: type[httpx2.TimeoutException]) -> None:
    if not waiter.done():
        waiter.set_exception(error("timed out"))


def _readable(transport: asyncio.Transport) -> bool:
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
