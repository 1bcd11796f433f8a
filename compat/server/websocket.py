"""Incoming WebSockets: uvicorn's protocol with limits, readable refusals and a close that always ends.

uvicorn 0.54 has these faults, which this module corrects:

- If websockets cannot parse a handshake that httptools accepted (a line of more than 8192 bytes, a body), the client
  gets no response. Refusals by websockets are plain text that quotes the client's headers.
- Frames that arrive before the handshake response are lost, or break the connection without a reason.
- After an invalid frame, the client may see a reset instead of the close code.
- If the client stops reading, the connection stays open with its queue, and the server cannot stop. Pongs accumulate.
- A message in small fragments takes fifty times its length in memory; empty fragments take memory without a limit.
- All frames of one read are handled in one iteration of the event loop, which takes seconds if they are short.
- A message may take any time to arrive, and each connection may hold a message of the maximum size.
- A pong that is queued behind a long frame, or that has not been read yet, counts as missing.

A short text frame that arrives whole, which is nearly every frame of live audio, passes by websockets' parser and
uvicorn's queue, which took a third of the time of a frame: `_take_whole` unmasks it and gives it to the application at
once, if the application has set `scope["state"]["take"]`. `take` gets the text and returns whether it was handled; if
not, the frame waits in the queue like any other. Whatever else arrives goes to the parser. The way back is
`scope["state"]["put"]`, which writes the events of one step at once, without a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from compat.config.principal import ANYONE
from compat.server import refusal
from compat.server.closing import untaken
from compat.server.memory import FREE, Memory
from compat.server.parsing import UNREADABLE, WebSocketConnection, length
from compat.server.refusal import LINGER
from compat.upstream.masks import unmasked
from compat.upstream.shares import Shares

FRAMES: Final = 32  # frames handled per iteration of the event loop; the last block parsed may exceed it
SOME: Final = 1 << 10  # bytes parsed at a time that may be of several frames
MOST: Final = 1 << 14  # bytes of one frame parsed at a time
TEXT: Final = 0x81  # the first byte of a text message in one frame (RFC 6455, 5.2)
MASKED: Final = 0x80
SHORTEST: Final = 8  # bytes: a shorter frame has no event in it
CROWDED: Final = "Too many long messages at a time: send appends of up to 64 KiB, or fewer of them at once."


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket connection.

    `ending`: seconds in which the client reads and sends nothing, after which the connection is aborted if the
    application has ended. Closing it while the client still reads what was sent before would lose that: if the client
    sends something then, such as a ping, the connection is reset.
    `whole`: seconds for a long message to arrive: enough for 14 MB at 190 kbit/s. After a close frame, the connection
    stays open for no longer than that.
    """

    conn: WebSocketConnection
    ending: ClassVar[float] = 30.0
    whole: ClassVar[float] = 600.0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **options)
        self._on_refusal = refusal.on_refusal(self.app_state)
        self.conn = WebSocketConnection(
            on_refusal=self._on_refusal, max_size=self.config.ws_max_size, logger=self.logger
        )
        self._short = min(self.config.ws_max_size, (1 << 16) - 1)
        self._early = b""
        self._came = memoryview(b"")
        self._due = 0
        self._handled = 0
        self._parsed = 0
        self.close_timeout = self.whole
        self._taking: asyncio.Handle | None = None
        self._pong = b""
        self._joined = bytearray()
        self._failed = False
        self._memory = Memory(Shares(sys.maxsize))
        self._asked = False
        """Whether the application is waiting for a message."""
        self._limit: asyncio.TimerHandle | None = None
        self._seen = 0
        self._cutting: asyncio.TimerHandle | None = None
        self.lost: Callable[[], None] = lambda: None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost()
        self._came = memoryview(b"")
        if self._cutting is not None:
            self._cutting.cancel()
        super().connection_lost(exc)
        self._drop()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._memory.free()
        self._take_later()
        self._watch()

    def share(self, memory: Shares) -> None:
        """Count the memory of long messages in `memory`, which connections share."""
        self._memory = Memory(memory)

    def keepalive_timeout(self) -> None:
        if self.read_paused or self._memory.coming > self._seen:  # the pong may be queued behind unread data
            self._seen = self._memory.coming
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0.0, self.keepalive_timeout)
            return
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
        elif self.handshake_complete:
            waiting, self._came = self._came, memoryview(bytes(self._came) + data if self._came else data)
            if self._taking is None:
                self._handled = 0
                if not waiting:  # the frames of live audio come one at a time
                    self._came = self._came[self._take_whole() :]
                if self._came:
                    self._take()
        else:
            self._parse(data)

    def _take(self) -> None:
        """Handle a bounded number of frames, and continue after the application has received them.

        Thousands of short frames fit into the bytes of one frame of audio. Other connections run in between.
        """
        while self._came and self._handled < FRAMES and not (self._over or self._waits) and self._has_room():
            whole = self._take_whole()
            size = whole or self._step()
            part, self._came = self._came[:size], self._came[size:]
            if not whole:
                self._parse(part)
        if self._over:
            self._came = memoryview(b"")
        self._take_later()

    def _take_whole(self) -> int:
        """Handle a short text frame at the front if it is whole. Return its length, or 0."""
        came = self._came
        if len(came) < SHORTEST or came[0] != TEXT or not self.conn.between or self.conn.state is not State.OPEN:
            return 0
        size, head = came[1] - MASKED, 6
        if size == 126:
            size, head = came[2] << 8 | came[3], 8
        end = head + size
        if not 0 <= size <= self._short or len(came) < end or came[1] == MASKED + 127:
            return 0
        try:
            text = unmasked(came[head:end], came[head - 4 : head]).decode()
        except UnicodeDecodeError:
            return 0
        self._handled += 1
        take = self.scope["state"].get("take")
        if take is None or not self.queue.empty() or not take(text):
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
            self._read(on=False)
        return end

    def _step(self) -> int:
        """Return how many bytes to parse next: those of one frame, or SOME."""
        if self.conn.reader.between:
            self._due = length(self._came)
        size = min(max(self._due, SOME), MOST)
        self._due = max(self._due - size, 0)
        return size

    def _take_later(self) -> None:
        if not self._came and self.conn.between:
            return
        if self._waits:
            self._read(on=False)  # uvicorn may have resumed reading
        elif self._came and self._taking is None and (self.queue.empty() or self.close_sent):
            self._read(on=False)
            self._taking = self.loop.call_soon(self._take_more)

    def _take_more(self) -> None:
        self._taking, self._handled = None, 0
        self._take()
        if not (self._came or self._waits) and self.queue.empty():
            self._read(on=True)

    def put(self, texts: Iterable[str]) -> bool:
        """Send text messages with one system call. Return False if they have to wait for `send`."""
        closing = self.close_sent or self.disconnected or self.transport.is_closing()
        if closing or not self.writable.is_set() or self.conn.state is not State.OPEN:
            return False
        for text in texts:
            self.conn.send_text(text.encode())
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    async def receive(self) -> ASGIReceiveEvent:
        self._memory.free()
        self._asked = True
        if self.handshake_complete and self.read_paused and self._taking is None and self.queue.empty():
            self._taking = self.loop.call_soon(self._take_more)
        try:
            message = await super().receive()
        finally:
            self._asked = False
        self._take_later()
        return message

    @property
    def _over(self) -> bool:
        return self._failed or self.transport.is_closing()

    @property
    def _coming(self) -> int:
        """The number of bytes of the incomplete message."""
        return len(self.conn.reader.buffer) + len(self._joined) + sum(map(len, self.frames))

    @property
    def _waits(self) -> bool:
        """Whether a long message must wait until the application asks for the next message."""
        asked = self._asked and self.queue.empty()
        return not asked and not self.close_sent and self._coming > FREE

    def _has_room(self) -> bool:
        if (size := self._coming) > FREE:
            if not self._memory.fits(size):
                self._give_up(CloseCode.TRY_AGAIN_LATER, CROWDED)
                return False
            if self._limit is None:
                late = f"A message must be complete within {self.whole:g} seconds."
                self._limit = self.loop.call_later(self.whole, self._give_up, CloseCode.POLICY_VIOLATION, late)
        return True

    def _give_up(self, code: CloseCode, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def _drop(self) -> None:
        """Discard the incomplete message."""
        self._joined = bytearray()
        self.frames.clear()
        self.conn.reader.discard()  # the parser is in a reference cycle, which would keep its buffer
        self._memory.drop()
        self._stop_clock()

    def _stop_clock(self) -> None:
        self._seen = 0
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _parse(self, data: bytes | memoryview) -> None:
        self._parsed += 1
        super().data_received(data)  # type: ignore[arg-type]  # websockets takes any buffer
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.close_sent = True
            self.transport.write(refusal.answer(UNREADABLE, self._on_refusal))
            self.transport.close()

    def start_keepalive(self) -> None:
        """Start the pings, and handle early frames. uvicorn calls this after the handshake response."""
        super().start_keepalive()
        self.scope["state"]["put"] = self.put
        self._memory.belongs(self.scope["state"].get("party", ANYONE))
        if self._early:
            early, self._early = self._early, b""
            self._read(on=True)
            self.data_received(early)

    def handle_parser_exception(self) -> None:
        """Send the close frame with its reason, discard incoming data for `LINGER` seconds, then close."""
        assert self.conn.close_sent is not None  # noqa: S101 - websockets sets it first
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._failed = True
        self._drop()
        self._read(on=True)
        with contextlib.suppress(NotImplementedError):  # TLS has no half-closed connections
            self.transport.write_eof()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(LINGER, self.transport.close)

    def send_receive_event_to_app(self) -> None:
        self._handled += 1
        self._stop_clock()
        if self.close_sent:  # uvicorn discards the message
            self._memory.drop()
        else:
            self._memory.end()
        super().send_receive_event_to_app()

    def handle_pong(self, event: Frame) -> None:
        self._handled += 1
        super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        self._handled += 1
        for part in (*self.frames, event.data):  # uvicorn keeps the first fragment in `frames`
            self._joined += part
        self.frames.clear()
        if event.fin:
            self.frames, self._joined = [bytes(self._joined)], bytearray()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Send a pong. If the client does not read, only the latest ping is answered (RFC 6455, 5.5.3)."""
        self._handled += 1
        if self._failed:
            return
        if self.writable.is_set():
            super().handle_ping()
        else:  # data_to_send() returns the replies to all frames of this read, including a close
            self._pong = b"".join(self.conn.data_to_send()) or self._pong

    def handle_close(self, event: Frame) -> None:
        self._send_pong()
        super().handle_close(event)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._send_pong()

    def _send_pong(self) -> None:
        if self._pong:
            pong, self._pong = self._pong, b""
            self.transport.write(pong)

    @property
    def _signs(self) -> tuple[int, int]:
        """What changes when the client sends or reads something."""
        return self._parsed, untaken(self.transport)

    def _watch(self) -> None:
        """Abort the connection when the client shows no sign of life for `ending`."""
        if not self.disconnected:
            self._cutting = self.loop.call_later(self.ending, self._look, self._signs)

    def _look(self, before: tuple[int, int]) -> None:
        if self._signs == before or self.transport.is_closing():
            self.transport.abort()
        else:
            self._watch()

    def _cut(self, *, after: float) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
        if not self.disconnected:
            self._cutting = self.loop.call_later(after, self.transport.abort)

    def _read(self, *, on: bool) -> None:
        if self.read_paused is on:
            self.read_paused = not on
            (self.transport.resume_reading if on else self.transport.pause_reading)()
