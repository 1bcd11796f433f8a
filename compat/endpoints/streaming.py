"""Streamed responses, with errors and keep-alives.

The status line is sent together with the first part. An error before the first part is therefore a plain HTTP error,
and an error after it becomes the last part.

`kept_alive` sends keep-alives while no part is ready: clients skip them, and proxies keep the connection open. If a
keep-alive comes first, the status line is sent with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from compat.endpoints.disconnect import while_connected
from compat.errors import INTERNAL_ERROR, CompatError
from compat.openai_api import sse
from compat.openai_api.jobs import Progress

log = logging.getLogger("compat")
PING_EVERY = 15.0  # seconds


async def kept_alive(
    parts: AsyncGenerator[bytes, None], *, every: float, heartbeat: Callable[[], bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield `parts`, and a `heartbeat` whenever there was no part for `every` seconds."""
    async with contextlib.aclosing(parts):
        while True:
            part = asyncio.ensure_future(anext(parts))
            try:
                while not (await asyncio.wait({part}, timeout=every))[0]:
                    yield heartbeat()
                yield await part
            except StopAsyncIteration:
                return
            finally:
                part.cancel()
                await asyncio.wait({part})


def pinged(
    frames: AsyncGenerator[bytes, None], progress: Callable[[], Progress] = Progress
) -> AsyncGenerator[bytes, None]:
    """Yield frames of server-sent events, with comments with the `progress` as keep-alives."""
    return kept_alive(frames, every=PING_EVERY, heartbeat=lambda: sse.ping(progress()))


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(
        self,
        first: bytes,
        frames: AsyncGenerator[bytes, None],
        stack: contextlib.AsyncExitStack,
        headers: Mapping[str, str],
    ) -> None:
        """`stack` is closed when the stream ends, also after an error or a disconnect."""
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        del self.headers["content-length"]
        self._first = first
        self._frames = frames
        self._stack = stack

    def fault(self, exc: CompatError) -> bytes:
        """Return the part that reports an error."""
        return sse.error(exc)

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            with contextlib.suppress(ClientDisconnect):
                await while_connected(receive, self._sent(send))

    async def _sent(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        try:
            async for frame in self._frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except CompatError as exc:
            await send({"type": "http.response.body", "body": self.fault(exc), "more_body": True})
        except Exception:
            log.exception("a stream failed")
            body = self.fault(CompatError(INTERNAL_ERROR))
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class SlowJson(EventStream):
    """A JSON response with whitespace as keep-alives before the body. Its status is 200 even if an error follows."""

    media_type = "application/json"

    def fault(self, exc: CompatError) -> bytes:
        return msgspec.json.encode(exc.body())


class Confirmed(Response):
    """A response that calls `delivered` once the client has received all of it.

    It is not called for a HEAD request, or if the client disconnects early.
    """

    def __init__(
        self, content: bytes, *, media_type: str, headers: Mapping[str, str], delivered: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._delivered = delivered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # The server waits here while much of the body is unread by the client.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        gone = await Request(scope, receive).is_disconnected()
        await send({"type": "http.response.body", "body": b""})
        if not gone and scope["method"] != "HEAD":
            await self._delivered()
