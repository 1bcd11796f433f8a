"""Server-sent events whose first frame is there before the status line leaves: a refusal before it is a plain HTTP
error, a fault after it an error frame."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from compat.endpoints.hangup import while_connected
from compat.errors import CompatError
from compat.openai_api import sse

log = logging.getLogger("compat")


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(
        self,
        first: bytes,
        frames: AsyncGenerator[bytes, None],
        stack: contextlib.AsyncExitStack,
        headers: Mapping[str, str],
    ) -> None:
        """`stack` is closed when the stream has ended, whatever way."""
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        del self.headers["content-length"]
        self._first = first
        self._frames = frames
        self._stack = stack

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
            await send({"type": "http.response.body", "body": sse.error(exc), "more_body": True})
        except Exception:
            log.exception("a stream failed")
            fault = CompatError("This server failed; the log under this request's id says why.")
            await send({"type": "http.response.body", "body": sse.error(fault), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
