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

A short text frame that arrives whole, which is nearly every frame of live audio, bypasses websockets' parser and
uvicorn's queue, which take a third of the time of a frame. `_handle_whole` unmasks it and passes the text to
`scope["state"]["take"]`, if the application has set that. `take` returns whether it has handled the text; if it has
not, the frame is queued like any other. All other data goes to the parser. In the other direction, the application
calls `scope["state"]["put"]`, which writes several events at once, without a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from compat.config.principal import ANYONE
from compat.server import refusal
from compat.server.closing import half_close, unacknowledged
from compat.server.memory import FREE, Memory
from compat.server.parsing import UNREADABLE, WebSocketConnection, frame_length
from compat.server.refusal import LINGER
from compat.upstream.masks import unmasked
from compat.upstream.shares import Shares

FRAMES: Final = 32  # frames handled per iteration of the event loop; the last block parsed may exceed it
BLOCK: Final = 1 << 10  # bytes parsed at a time if they may belong to several frames
FRAME_BLOCK: Final = 1 << 14  # bytes of one frame parsed at a time
TEXT: Final = 0x81  # the first byte of a text message in one frame (RFC 6455, 5.2)
MASKED: Final = 0x80
SHORTEST: Final = 8  # bytes: a shorter frame contains no event
CROWDED: Final = "Too many long messages at a time: send appends of up to 64 KiB, or fewer of them at once."


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket connection.

    `ending`: seconds without activity of the client after which the connection is aborted, once the application has
    ended. It is not closed before that, because the client may still be reading what was sent: if the client then sends
    something, such as a ping, the connection is reset and the unread data is lost.
    `whole`: seconds for a long message to arrive: enough for 14 MB at 190 kbit/s. It also limits how long a
    connection stays open after a close frame.
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
        self._unparsed = memoryview(b"")
        self._frame_left = 0
        self._handled = 0
        self._parsed = 0
        self.close_timeout = self.whole
        self._scheduled: asyncio.Handle | None = None
        self._pong = b""
        self._joined = bytearray()
        self._failed = False
        self._memory = Memory(Shares(sys.maxsize))
        self._awaited = False
        """Whether the application is waiting for a message."""
        self._message_timer: asyncio.TimerHandle | None = None
        self._seen_bytes = 0
        self._abort_timer: asyncio.TimerHandle | None = None
        self.lost: Callable[[], None] = lambda: None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost()
        self._unparsed = memoryview(b"")
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)
        self._discard_message()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._memory.free()
        self._handle_later()
        self._watch()

    def share(self, memory: Shares) -> None:
        """Count the memory of long messages in `memory`, which connections share."""
        self._memory = Memory(memory)

    def keepalive_timeout(self) -> None:
        if self.read_paused or self._memory.incomplete > self._seen_bytes:  # the pong may be queued behind unread data
            self._seen_bytes = self._memory.incomplete
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0.0, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self._abort_later(after=LINGER)

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later(after=LINGER)

    def data_received(self, data: bytes) -> None:
        if self._failed or self.transport.is_closing():
            return
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            self._set_reading(on=False)
        elif self.handshake_complete:
            waiting, self._unparsed = (
                self._unparsed,
                memoryview(bytes(self._unparsed) + data if self._unparsed else data),
            )
            if self._scheduled is None:
                self._handled = 0
                if not waiting:  # the frames of live audio come one at a time
                    self._unparsed = self._unparsed[self._handle_whole() :]
                if self._unparsed:
                    self._handle_frames()
        else:
            self._parse(data)

    def _handle_frames(self) -> None:
        """Handle a bounded number of frames, and continue after the application has received them.

        Thousands of short frames fit into the bytes of one frame of audio. Other connections run in between.
        """
        while self._unparsed and self._handled < FRAMES and not (self._ended or self._must_wait) and self._has_room():
            whole = self._handle_whole()
            size = whole or self._block_size()
            part, self._unparsed = self._unparsed[:size], self._unparsed[size:]
            if not whole:
                self._parse(part)
        if self._ended:
            self._unparsed = memoryview(b"")
        self._handle_later()

    def _handle_whole(self) -> int:
        """Handle the next frame if it is a short, complete text frame. Return its length, or 0."""
        data = self._unparsed
        if len(data) < SHORTEST or data[0] != TEXT or not self.conn.between or self.conn.state is not State.OPEN:
            return 0
        size, head = data[1] - MASKED, 6
        if size == 126:
            size, head = data[2] << 8 | data[3], 8
        end = head + size
        if not 0 <= size <= self._short or len(data) < end or data[1] == MASKED + 127:
            return 0
        try:
            text = unmasked(data[head:end], data[head - 4 : head]).decode()
        except UnicodeDecodeError:
            return 0
        self._handled += 1
        take = self.scope["state"].get("take")
        if take is None or not self.queue.empty() or not take(text):
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
            self._set_reading(on=False)
        return end

    def _block_size(self) -> int:
        """Return the number of bytes to parse next: those of one frame, or BLOCK."""
        if self.conn.reader.between:
            self._frame_left = frame_length(self._unparsed)
        size = min(max(self._frame_left, BLOCK), FRAME_BLOCK)
        self._frame_left = max(self._frame_left - size, 0)
        return size

    def _handle_later(self) -> None:
        if not self._unparsed and self.conn.between:
            return
        if self._must_wait:
            self._set_reading(on=False)  # uvicorn may have resumed reading
        elif self._unparsed and self._scheduled is None and (self.queue.empty() or self.close_sent):
            self._set_reading(on=False)
            self._scheduled = self.loop.call_soon(self._handle_more)

    def _handle_more(self) -> None:
        self._scheduled, self._handled = None, 0
        self._handle_frames()
        if not (self._unparsed or self._must_wait) and self.queue.empty():
            self._set_reading(on=True)

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
        self._awaited = True
        if self.handshake_complete and self.read_paused and self._scheduled is None and self.queue.empty():
            self._scheduled = self.loop.call_soon(self._handle_more)
        try:
            message = await super().receive()
        finally:
            self._awaited = False
        self._handle_later()
        return message

    @property
    def _ended(self) -> bool:
        return self._failed or self.transport.is_closing()

    @property
    def _incomplete(self) -> int:
        """The number of bytes of the incomplete message."""
        return len(self.conn.reader.buffer) + len(self._joined) + sum(map(len, self.frames))

    @property
    def _must_wait(self) -> bool:
        """Whether a long message must wait until the application asks for the next message."""
        ready = self._awaited and self.queue.empty()
        return not ready and not self.close_sent and self._incomplete > FREE

    def _has_room(self) -> bool:
        if (size := self._incomplete) > FREE:
            if not self._memory.fits(size):
                self._give_up(CloseCode.TRY_AGAIN_LATER, CROWDED)
                return False
            if self._message_timer is None:
                reason = f"A message must be complete within {self.whole:g} seconds."
                self._message_timer = self.loop.call_later(
                    self.whole, self._give_up, CloseCode.POLICY_VIOLATION, reason
                )
        return True

    def _give_up(self, code: CloseCode, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def _discard_message(self) -> None:
        """Discard the incomplete message."""
        self._joined = bytearray()
        self.frames.clear()
        self.conn.reader.discard()  # the parser is in a reference cycle, which would keep its buffer
        self._memory.drop()
        self._stop_message_timer()

    def _stop_message_timer(self) -> None:
        self._seen_bytes = 0
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

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
        self._memory.set_party(self.scope["state"].get("party", ANYONE))
        if self._early:
            early, self._early = self._early, b""
            self._set_reading(on=True)
            self.data_received(early)

    def handle_parser_exception(self) -> None:
        """Send the close frame with its reason, discard incoming data for `LINGER` seconds, then close."""
        assert self.conn.close_sent is not None  # noqa: S101 - websockets sets it first
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._failed = True
        self._discard_message()
        self._set_reading(on=True)
        half_close(self.transport)
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(LINGER, self.transport.close)

    def send_receive_event_to_app(self) -> None:
        self._handled += 1
        self._stop_message_timer()
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
    def _activity(self) -> tuple[int, int]:
        """Two numbers that change when the client sends or reads something."""
        return self._parsed, unacknowledged(self.transport)

    def _watch(self) -> None:
        """Abort the connection after `ending` seconds without activity of the client."""
        if not self.disconnected:
            self._abort_timer = self.loop.call_later(self.ending, self._check_activity, self._activity)

    def _check_activity(self, before: tuple[int, int]) -> None:
        if self._activity == before or self.transport.is_closing():
            self.transport.abort()
        else:
            self._watch()

    def _abort_later(self, *, after: float) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        if not self.disconnected:
            self._abort_timer = self.loop.call_later(after, self.transport.abort)

    def _set_reading(self, *, on: bool) -> None:
        if self.read_paused is on:
            self.read_paused = not on
            (self.transport.resume_reading if on else self.transport.pause_reading)()
