"""Incoming HTTP: uvicorn's protocol with limits on what one connection may send, queue and leave unread.

uvicorn 0.54 has no such limits: a request head or trailers can be endless, and a client can send one byte an hour, fill
the memory with pipelined requests and never read a response. Refusals have OpenAI's error shape.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import ClassVar, Final, Literal, cast

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr

from compat.endpoints.paths import PROBES
from compat.endpoints.usual import WHOLE
from compat.errors import CompatError, Overloaded, ServiceUnavailable, TooSlow
from compat.server import websocket
from compat.server.body import BodyReader
from compat.server.closing import ClosingTransport, disconnect, half_close, unacknowledged
from compat.server.connections import Connections, ConnectionSlot
from compat.server.flow import Flow
from compat.server.framing import unambiguous, unframed
from compat.server.refusal import LINGER, answer, head_too_large, malformed, on_refusal

HEAD: Final = 64 << 10  # bytes of the request line and the headers
HEADERS: Final = 100  # websockets parses the heads of upgrades again and accepts 128
SLOWEST: Final = 512  # bytes per second that a body must average over `body_timeout`
DRAIN: Final = 4.0  # seconds for which a body may continue after its response
DRAINED: Final = 32 << 20  # bytes of such a body: enough for the largest upload that OpenAI accepts
READ_TIMEOUT: Final = 60.0  # seconds for which a client may read nothing of a response
STOPPING_TIMEOUT: Final = 10.0  # the same while the server stops; also seconds for the rest of a body
HEAD_BLOCK: Final = 1 << 10  # bytes parsed at a time, which bounds queued requests: parsing stops while one is queued
BODY_BLOCK: Final = 16 << 10  # the same within a body
CHUNKS: Final = 64  # body chunks parsed per iteration of the event loop; the last block parsed may exceed it

Stage = Literal["head", "body", "answer", "refused", "upgraded"]


class RequestRefused(Exception):
    """Stop the parser. The protocol holds the error to send."""


class HttpProtocol(HttpToolsProtocol):
    """An HTTP/1.1 connection.

    `head_timeout`: seconds for a request head, from the start of the connection or, after a response, its first byte.
    `body_timeout`: seconds over which the rate of a body is measured. `all`: the server's connections.
    """

    head_timeout: ClassVar[float] = 10.0
    body_timeout: ClassVar[float] = 30.0
    all: ClassVar[Connections] = Connections()

    _entered: ConnectionSlot | None = None

    def enter(self, transport: asyncio.Transport) -> ConnectionSlot:
        """Register the connection with its server. TLS connections call this before the handshake."""
        peer = get_remote_addr(transport)
        self._entered = self.all.enter(peer[0] if peer else "", transport.abort, self.loop.time())
        return self._entered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self._slot = self._entered or self.enter(transport)
        self._slot.end = transport.abort
        super().connection_made(ClosingTransport(transport, self._end, lambda: self._ending))
        self.flow = Flow(transport, lambda: not self._ending and bool(self._unparsed or self.pipeline))
        self._real = transport
        self._stage: Stage = "head"
        self._since = self.loop.time()
        self._body_bytes = 0
        """Bytes of the body since `_since`."""
        self._drained = 0
        """Bytes to discard that have arrived: of a body, with its framing, after its response, or after `_end`."""
        self._chunks = 0
        self._parse_handle: asyncio.Handle | None = None
        self._running = self.cycle
        self._body_left = 0
        """Bytes of the body that have not arrived yet, if the request declared its length."""
        self._framing = 0
        """Bytes of a head, or bytes of chunk framing and trailers since the last data of a body."""
        self._unparsed = self._block = memoryview(b"")
        self._requested = False
        self._ending = self._stopping = False
        self._refusal: CompatError | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._unacknowledged = 0
        self._read_at = self._check_at = self.loop.time()
        self._check_client()

    def connection_lost(self, exc: Exception | None) -> None:
        self.all.leave(self._slot)
        self._check_timer.cancel()
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._parse_handle is not None:
            self._parse_handle.cancel()
        self._unparsed = memoryview(b"")
        self.pipeline.clear()
        if self._running is not None:  # uvicorn notifies the latest request only, which may be queued behind this one
            disconnect(self._running)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._stopping = True
        self._since = self._read_at = self.loop.time()
        super().shutdown()

    # --- receiving --------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._ending:
            self._drained += len(data)
            if self._drained > DRAINED:
                self._real.close()
        elif self._stage != "refused":
            if self._idle:
                self._since = self.loop.time()
            self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
            self._parse()

    def _parse(self) -> None:
        """Parse received bytes until a request is queued behind an unfinished response. The number of body chunks per
        iteration of the event loop is bounded: one read can hold tens of thousands of chunks of one byte."""
        if self._parse_handle is not None:
            return
        short, self._chunks = self._chunks >= CHUNKS, 0
        while self._parsable and self._chunks < CHUNKS:
            size = self._body_left or (BODY_BLOCK if self._stage == "body" and not short else HEAD_BLOCK)
            self._block, self._unparsed = self._unparsed[:size], self._unparsed[size:]
            self._framing += len(self._block)
            if self._stage == "body" and not self._answering:
                self._drained += len(self._block)
            super().data_received(self._block)  # type: ignore[arg-type]  # httptools takes any buffer
            if self._framing > HEAD and self._stage in ("head", "body"):
                self._refuse(head_too_large(HEADERS, HEAD))
            elif self._drained > DRAINED:
                self._end(LINGER)
        if self._stage == "refused":
            self._unparsed = memoryview(b"")
        if self._unparsed:
            self.flow.pause_reading()
        if self._parsable:
            self._parse_handle = self.loop.call_soon(self._parse_more)

    def _parse_more(self) -> None:
        self._parse_handle = None
        self._parse()
        if not self._answering or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()

    @property
    def _parsable(self) -> bool:
        return bool(self._unparsed) and not self.pipeline and self._stage not in ("refused", "upgraded")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._requested = True
        self._enter("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage == "head":  # uvicorn would add trailers to headers that have already been processed
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD or len(self.headers) > HEADERS:
            self._refusal = head_too_large(HEADERS, HEAD)
            raise RequestRefused
        if not unambiguous(self.parser.get_http_version(), self.headers):
            raise RequestRefused
        probe = self.url.partition(b"?")[0].decode("latin-1") in PROBES
        if self._slot.surplus and not probe:
            self._refusal = Overloaded("This server has reached its limit of connections.", retry_after=1.0)
            raise RequestRefused
        if self._declined:
            return
        if self.url == b"*":  # OPTIONS * addresses the server itself (RFC 9110, 9.3.7); uvicorn accepts paths only
            self.url = b"/*"
        before = self.cycle
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0" and self.cycle is not before:
            self.cycle.send = unframed(self.cycle)  # type: ignore[assignment, method-assign]  # starlette's type
        if self._slot.surplus:
            self.cycle.keep_alive = False
        self._body_left = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
        self._enter("body")
        if self._body_left:
            self.scope["extensions"] = {WHOLE: self._whole}  # type: ignore[dict-item]  # it is our own
            self._chunks = CHUNKS  # the application's first step may ask for the whole body

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._body_left = max(0, self._body_left - len(body))
        self._chunks += 1
        self._framing = 0
        cycle = self.cycle
        if not (cycle.body or cycle.response_complete):  # uvicorn would copy the bytes into a buffer and out of it
            cycle.body, body = body, b""  # type: ignore[assignment]  # it accepts both types
        elif isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._declined:
            return
        super().on_message_complete()
        if self._answering:
            self._enter("answer")
        else:  # the response was complete before the request
            self._requested = False
            self._enter("head")

    async def _whole(self, size: int) -> bytearray | None:
        """Return the running request's body, or None if its size is another or the client disconnects."""
        cycle, rest = self.cycle, self._body_left
        if cycle is not self._running or self._stage != "body" or len(cycle.body) + rest != size:
            return None
        early, self._unparsed = self._unparsed[:rest], self._unparsed[rest:]
        return await BodyReader(self, self._real, self._count_body, self._give_back).read(cycle, size, early)

    def _count_body(self, size: int) -> int:
        self._body_bytes += size
        self._body_left -= size
        if not self._body_left:
            self.parser = HttpRequestParser(self)  # the old one expects the body
            self.on_message_complete()
        return self._body_left

    def _give_back(self, data: bytearray) -> None:
        self._body_left += len(data)
        if not self.cycle.disconnected:
            self._unparsed = memoryview(data + self._unparsed)
            self._parse()

    def on_response_complete(self) -> None:
        if not self._answering:
            self._since = self.loop.time()
            if self._stage == "answer":
                self._requested = False
                self._enter("head")
            else:  # the rest of the body is discarded
                self.all.idle(self._slot, self._since)
        super().on_response_complete()
        self._parse()
        self.flow.resume_reading()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since = self.loop.time()
        if stage != "head":
            self.all.busy(self._slot)
        elif not self._answering:
            self.all.idle(self._slot, self._since)
        self._body_bytes = self._framing = self._drained = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # --- upgrades ---------------------------------------------------------------------------------------------------

    def handle_websocket_upgrade(self) -> None:
        """Switch to the WebSocket protocol, unless an earlier response is unfinished. uvicorn's own method drops data
        that arrived together with the head, and writes responses to earlier requests between the frames."""
        early = self._after_upgrade()
        if self._answering:
            self._finish()
            return
        self._stage = "upgraded"  # the WebSocket protocol has its own limits
        self._check_timer.cancel()
        self.all.busy(self._slot)
        self.flow.resume_reading()
        self.transport = self._real
        super().handle_websocket_upgrade()
        session = cast("websocket.WebSocketProtocol", self._real.get_protocol())
        session.lost = functools.partial(self.all.leave, self._slot)
        session.share(self.app_state.get("live_memory", self.all.memory))
        if early:
            session.data_received(early)

    @property
    def _declined(self) -> bool:
        """Whether the request asks for an unsupported protocol."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT" and not self._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Parse the request again without its `upgrade` header: Java's client asks for HTTP/2 with each request, and
        httptools assumes that a request for an upgrade has no body."""
        rest = self._after_upgrade()
        lines = [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        head = b"%s %s HTTP/1.1\r\n%s\r\n" % (self.parser.get_method(), self.url, b"".join(lines))
        self.parser = HttpRequestParser(self)
        self._unparsed = memoryview(head + rest)

    def _after_upgrade(self) -> bytes:
        """Return and remove the data behind a request for an upgrade. The parser's exception has its position."""
        upgrade = sys.exception()
        end = upgrade.args[0] if isinstance(upgrade, HttpParserUpgrade) else len(self._block)
        rest, self._unparsed = bytes(self._block[end:]) + bytes(self._unparsed), memoryview(b"")
        return rest

    # --- slow clients ----------------------------------------------------------------------------------------------

    def _check_client(self) -> None:
        now = self.loop.time()
        delay = now - self._check_at  # of the event loop, which read nothing meanwhile
        self._since += delay
        self._read_at += delay
        self._check_at = now + min(1.0, self.head_timeout / 4, self.body_timeout / 4)
        self._check_timer = self.loop.call_at(self._check_at, self._check_client)
        if self._is_unread(now):
            self._real.abort()
        elif not self._ending:
            self._check_pace(now - self._since)

    def _check_pace(self, waited: float) -> None:
        match self._stage:
            case "head" if waited >= self.head_timeout and not (self._answering or self._idle):
                self._refuse(TooSlow(f"The request head did not arrive within {self.head_timeout:g} seconds."))
            case "body" if not self._answering:
                if waited >= DRAIN:
                    self._end(LINGER)
            case "body" if self.flow.read_paused:  # the server is slow, not the client
                self._enter("body")
            case "body" if self._stopping:
                if waited >= STOPPING_TIMEOUT:
                    self._refuse(
                        ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
                    )
            case "body" if waited >= self.body_timeout and self._body_bytes >= self.body_timeout * SLOWEST:
                self._enter("body")
            case "body" if waited >= self.body_timeout:
                self._refuse(TooSlow(f"The request body arrives too slowly: less than {SLOWEST} bytes per second."))

    def _is_unread(self, now: float) -> bool:
        """Return whether the client has stopped reading."""
        left = unacknowledged(self._real)
        if not left or left < self._unacknowledged:
            self._read_at = now
        self._unacknowledged = left
        return now - self._read_at >= (STOPPING_TIMEOUT if self._stopping else READ_TIMEOUT)

    @property
    def _answering(self) -> bool:
        """Whether the latest request with a complete head has no complete response."""
        return bool(self.cycle) and not self.cycle.response_complete  # `cycle` is None before the first request

    @property
    def _idle(self) -> bool:
        """Whether nothing has arrived since a response."""
        return self._stage == "head" and bool(self.cycle) and not (self._requested or self._framing)

    # --- closing ----------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's message
        self._refuse(self._refusal or malformed(self._block))

    def _refuse(self, error: CompatError) -> None:
        """Respond with `error`, then close the connection. Only close it if the response has already started or no byte
        of a request has arrived. If earlier requests are unfinished, answer those and close it then."""
        if self.pipeline and self._stage == "body":
            del self.pipeline[0]
            self.cycle, self._stage = self.pipeline[0][0] if self.pipeline else self._running, "head"
        if self._stage == "head" and self._answering:
            self._finish()
            return
        answerable = self._stage == "head" or not self.cycle.response_started
        if answerable and (self._framing or self._requested):
            entry = None if self._stage == "head" else self.cycle.scope["state"].get("entry")  # the app's own
            self._real.write(answer(error, on_refusal(self.app_state), entry))
        if self._stage != "head":  # the application sees a disconnect
            disconnect(self.cycle)
        self._stage = "refused"
        self._end(LINGER)

    def _finish(self) -> None:
        """Answer earlier requests, then close. Nothing more is read."""
        self.cycle.keep_alive = False
        self._stage = "refused"

    def _end(self, linger: float = DRAIN) -> None:
        """Close the connection after discarding incoming data for `linger` seconds. Closing at once would reset it, and
        the client would lose data that it has not read yet."""
        if self._ending:
            return
        expected = self._stage in ("body", "refused") or bool(self._unparsed)
        self._ending = True
        self._unparsed = memoryview(b"")
        if not expected:
            self._real.close()
            return
        self.flow.resume_reading()
        half_close(self._real)
        self._close_timer = self.loop.call_later(LINGER if self._stopping else linger, self._real.close)
