"""WebSockets as they come in: uvicorn's protocol, whose handshake always ends, whose last word arrives, and which ends.

uvicorn 0.54 answers nothing, and waits for ever, when websockets cannot read a handshake that httptools could: a line
of more than 8192 bytes, a body. What websockets itself refuses is told as plain text that quotes the caller's headers.
Frames that come before the handshake is answered are lost, or break the connection without a word; and a caller who is
cut off for a frame that cannot be may see a reset in place of the reason. A connection whose caller reads nothing more
is kept, with all that waits for him, for as long as he likes, and the server cannot stop. A message in small fragments
takes fifty times its length in memory, and one in empty fragments all there is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import LoggerLike, StatusLike

from compat.errors import BadRequest, CompatError
from compat.wire import refusal
from compat.wire.refusal import LINGER

UNREADABLE: Final = BadRequest(
    "This is not a WebSocket handshake (RFC 6455, version 13) with lines of at most 8192 bytes.",
    code="invalid_handshake",
)


class Connection(ServerProtocol):
    def __init__(self, *, told: refusal.Told, max_size: int | None, logger: LoggerLike) -> None:
        super().__init__(max_size=max_size, logger=logger)
        self._told = told

    def reject(self, status: StatusLike, text: str) -> Response:  # noqa: ARG002 - websockets' words
        """In OpenAI's shape, and without the headers that `text` quotes."""
        plain = super().reject(status, "")
        error = UNREADABLE if plain.status_code < 500 else CompatError("This server failed.")
        headers, body = refusal.fields(error, self._told)
        return Response(plain.status_code, plain.reason_phrase, Headers(headers), body)


class Protocol(WebSocketsSansIOProtocol):
    """`ending`: seconds that a caller has to take the last words, which must be more than uvicorn's own `close_timeout`
    of 10 for his goodbye."""

    ending: ClassVar[float] = 12.0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **options)
        self._told = refusal.told(self.app_state)
        self.conn = Connection(told=self._told, max_size=self.config.ws_max_size, logger=self.logger)
        self._early = b""
        self._joined = bytearray()
        self._failed = False
        self._cutting: asyncio.TimerHandle | None = None
        self.lost: Callable[[], None] = lambda: None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost()
        if self._cutting is not None:
            self._cutting.cancel()
        super().connection_lost(exc)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._cut(after=self.ending)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut(after=LINGER)

    def shutdown(self) -> None:
        super().shutdown()
        self._cut(after=LINGER)

    def data_received(self, data: bytes) -> None:
        if self._failed or self.transport.is_closing():
            return
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            self._read(on=False)
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.close_sent = True
            self.transport.write(refusal.answer(UNREADABLE, self._told))
            self.transport.close()

    def start_keepalive(self) -> None:
        """Which uvicorn does when it has answered the handshake."""
        super().start_keepalive()
        if self._early:
            early, self._early = self._early, b""
            self._read(on=True)
            self.data_received(early)

    def handle_parser_exception(self) -> None:
        """Says why, and drops for a while what still comes."""
        assert self.conn.close_sent is not None  # noqa: S101 - what websockets does first
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._failed = True
        self._read(on=True)
        with contextlib.suppress(NotImplementedError):  # TLS has no half-closed connections
            self.transport.write_eof()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(LINGER, self.transport.close)

    def handle_cont(self, event: Frame) -> None:
        for part in (*self.frames, event.data):  # uvicorn has kept the first
            self._joined += part
        self.frames.clear()
        if event.fin:
            self.frames, self._joined = [bytes(self._joined)], bytearray()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        if not self._failed:
            super().handle_ping()

    def _cut(self, *, after: float) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
        if not self.disconnected:
            self._cutting = self.loop.call_later(after, self.transport.abort)

    def _read(self, *, on: bool) -> None:
        if self.read_paused is on:
            self.read_paused = not on
            (self.transport.resume_reading if on else self.transport.pause_reading)()
