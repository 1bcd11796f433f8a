"""Incoming HTTP: uvicorn's protocol, with bounds on what one connection may send, queue and leave unread.

uvicorn 0.54 with httptools has none of them: a head or the trailers of a body may be endless, a connection may send one
byte an hour, fill the memory with requests before it reads the first response, and never read one. Refusals of slow and
malformed requests have OpenAI's shape.
"""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import Callable
from typing import ClassVar, Final, Literal, cast

from httptools import HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr

from compat.endpoints.probes import PROBES
from compat.errors import BadRequest, CompatError, HeadTooLarge, Overloaded, ServiceUnavailable, TooSlow, UnknownMethod
from compat.server import websocket
from compat.server.ambiguity import unambiguous
from compat.server.closing import ClosingTransport, half_close, untaken
from compat.server.connections import Connections, ConnectionSlot
from compat.server.refusal import LINGER, answer, told
from compat.server.unframed import unframed

HEAD: Final = 64 << 10  # bytes of the request line and the headers
HEADERS: Final = 100  # websockets, which reads the heads of upgrades again, takes 128
SLOWEST: Final = 512  # bytes a second that a body has to bring, measured over `body_timeout`
DRAIN: Final = 4.0  # seconds for which a body may continue after its response
DRAINED: Final = 32 << 20  # bytes of that: an upload as large as OpenAI takes ends without a broken connection
UNREAD: Final = 60.0  # seconds without a byte taken from an answer
STOPPING: Final = 10.0  # seconds that a stopping server waits for a client to read, or to send the rest of a body
# Bytes parsed at a time, which is what bounds the requests of a connection that wait: nothing is parsed while one does.
SOME: Final = 1 << 10
MANY: Final = 16 << 10  # of a body
PIECES: Final = 64  # of bodies, parsed in one turn of the loop, and those in the rest of the bytes parsed with them
NO_METHOD: Final = "The method of this request is not known here: use GET, POST or DELETE."
_REQUEST: Final = re.compile(rb"[A-Za-z-]+ \S+ HTTP/1\.[01]\r?\n")

Stage = Literal["head", "body", "answer", "refused", "upgraded"]


class RequestRefused(Exception):
    """Ends the parser's work; the protocol holds the error to be sent."""


class Flow(FlowControl):
    """Does not resume reading while `full` is true."""

    def __init__(self, transport: asyncio.Transport, full: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._full = full

    def resume_reading(self) -> None:
        if not self._full():
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """`head_timeout`: seconds for a head to come, from the connection or its own first byte. `body_timeout`: the
    seconds over which a body's rate is measured. `all`: the server's connections."""

    head_timeout: ClassVar[float] = 10.0
    body_timeout: ClassVar[float] = 30.0
    all: ClassVar[Connections] = Connections()

    _entered: ConnectionSlot | None = None

    def enter(self, transport: asyncio.Transport) -> ConnectionSlot:
        """Takes a place among the connections, which may be before a TLS handshake."""
        peer = get_remote_addr(transport)
        self._entered = self.all.enter(peer[0] if peer else "", transport.abort, self.loop.time())
        return self._entered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self._place = self._entered or self.enter(transport)
        self._place.end = transport.abort
        super().connection_made(ClosingTransport(transport, self._end, lambda: self._ending))
        self.flow = Flow(transport, lambda: not self._ending and bool(self._held or self.pipeline))
        self._real = transport
        self._stage: Stage = "head"
        self._since = self.loop.time()
        self._came = 0
        """Bytes of the body since then."""
        self._drained = 0
        """Bytes that came of a body, with its framing, after its response, or of anything after the end."""
        self._pieces = 0
        self._later: asyncio.Handle | None = None
        self._running = self.cycle
        self._framing = 0
        """Bytes of a head, or of what is no body's data since the last of them that was."""
        self._held = self._part = memoryview(b"")
        self._asking = False
        self._ending = self._stopping = False
        self._refusal: CompatError | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._untaken = 0
        self._taken_at = self._due = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self.all.leave(self._place)
        self._looking.cancel()
        if self._closing is not None:
            self._closing.cancel()
        if self._later is not None:
            self._later.cancel()
        self._held = memoryview(b"")
        self.pipeline.clear()
        if self._running is not None:  # uvicorn tells the request that came last, which may wait for this one
            _disconnect(self._running)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._stopping = True
        self._since = self._taken_at = self.loop.time()
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
            self._held = memoryview(bytes(self._held) + data if self._held else data)
            self._parse()

    def _parse(self) -> None:
        """Parse what came until a request has to wait for the response before it. A bounded number of pieces is parsed
        in one turn of the loop: there are tens of thousands in one read when chunks have one byte each."""
        if self._later is not None:
            return
        short, self._pieces = self._pieces >= PIECES, 0
        while self._parsable and self._pieces < PIECES:
            size = MANY if self._stage == "body" and not short else SOME
            self._part, self._held = self._held[:size], self._held[size:]
            self._framing += len(self._part)
            if self._stage == "body" and not self._answering:
                self._drained += len(self._part)
            super().data_received(self._part)  # type: ignore[arg-type]  # httptools takes any buffer
            if self._framing > HEAD and self._stage in ("head", "body"):
                self._refuse(_head_too_large())
            elif self._drained > DRAINED:
                self._end(LINGER)
        if self._stage == "refused":
            self._held = memoryview(b"")
        if self._held:
            self.flow.pause_reading()
        if self._parsable:
            self._later = self.loop.call_soon(self._parse_more)

    def _parse_more(self) -> None:
        self._later = None
        self._parse()
        if not self._answering or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()

    @property
    def _parsable(self) -> bool:
        return bool(self._held) and not self.pipeline and self._stage not in ("refused", "upgraded")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._asking = True
        self._enter("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """uvicorn's own adds a body's trailers to the headers, which have been acted on by then."""
        if self._stage == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD or len(self.headers) > HEADERS:
            self._refusal = _head_too_large()
            raise RequestRefused
        if not unambiguous(self.parser.get_http_version(), self.headers):
            raise RequestRefused
        probe = self.url.partition(b"?")[0].decode("latin-1") in PROBES
        if self._place.surplus and not probe:
            self._refusal = Overloaded("This server has reached its limit of connections.", retry_after=1.0)
            raise RequestRefused
        if self._declined:
            return
        if self.url == b"*":  # of OPTIONS, it asks about the server itself (RFC 9110, 9.3.7); uvicorn reads paths only
            self.url = b"/*"
        before = self.cycle
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0" and self.cycle is not before:
            self.cycle.send = unframed(self.cycle)  # type: ignore[assignment, method-assign]  # starlette's type
        if self._place.surplus:
            self.cycle.keep_alive = False
        self._enter("body")

    def on_body(self, body: bytes) -> None:
        self._came += len(body)
        self._pieces += 1
        self._framing = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._declined:
            return
        super().on_message_complete()
        if self._answering:
            self._enter("answer")
        else:  # it was answered before its end
            self._asking = False
            self._enter("head")

    def on_response_complete(self) -> None:
        if not self._answering:
            self._since = self.loop.time()
            if self._stage == "answer":
                self._asking = False
                self._enter("head")
            else:  # of a body that still comes nothing is used
                self.all.idle(self._place, self._since)
        super().on_response_complete()
        self._parse()
        self.flow.resume_reading()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since = self.loop.time()
        if stage != "head":
            self.all.busy(self._place)
        elif not self._answering:
            self.all.idle(self._place, self._since)
        self._came = self._framing = self._drained = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # --- what is no longer HTTP -------------------------------------------------------------------------------------

    def handle_websocket_upgrade(self) -> None:
        """uvicorn's own drops what came together with the head, and answers earlier requests in between the frames."""
        early = self._after_upgrade()
        if self._answering:
            self._finish()
            return
        self._stage = "upgraded"  # a session has bounds of its own
        self._looking.cancel()
        self.all.busy(self._place)
        self.flow.resume_reading()
        self.transport = self._real
        super().handle_websocket_upgrade()
        session = cast("websocket.WebSocketProtocol", self._real.get_protocol())
        session.lost = functools.partial(self.all.leave, self._place)
        session.share(self.app_state.get("live_memory", self.all.memory))
        if early:
            session.data_received(early)

    @property
    def _declined(self) -> bool:
        """Whether it asks for a protocol that is not spoken here."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT" and not self._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """The request is read again as if it had not asked. Java's client asks for HTTP/2 with each of its requests,
        and httptools takes none of them to have a body."""
        rest = self._after_upgrade()
        lines = [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        head = b"%s %s HTTP/1.1\r\n%s\r\n" % (self.parser.get_method(), self.url, b"".join(lines))
        self.parser = HttpRequestParser(self)
        self._held = memoryview(head + rest)

    def _after_upgrade(self) -> bytes:
        """What came behind a request that asks for another protocol. Where it ends the parser's exception says."""
        upgrade = sys.exception()
        end = upgrade.args[0] if isinstance(upgrade, HttpParserUpgrade) else len(self._part)
        rest, self._held = bytes(self._part[end:]) + bytes(self._held), memoryview(b"")
        return rest

    # --- slow clients ----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        now = self.loop.time()
        late = now - self._due  # while the loop was late, nothing was read
        self._since += late
        self._taken_at += late
        self._due = now + min(1.0, self.head_timeout / 4, self.body_timeout / 4)
        self._looking = self.loop.call_at(self._due, self._look)
        if self._is_unread(now):
            self._real.abort()
        elif not self._ending:
            self._check_pace(now - self._since)

    def _check_pace(self, waited: float) -> None:
        match self._stage:
            case "head" if waited >= self.head_timeout and not (self._answering or self._idle):
                self._refuse(TooSlow(f"The request's head did not come within {self.head_timeout:g} seconds."))
            case "body" if not self._answering:
                if waited >= DRAIN:
                    self._end(LINGER)
            case "body" if self.flow.read_paused:  # the server is slow, not the client
                self._enter("body")
            case "body" if self._stopping:
                if waited >= STOPPING:
                    self._refuse(
                        ServiceUnavailable("This server is shutting down.", code="shutting_down", retry_after=1.0)
                    )
            case "body" if waited >= self.body_timeout and self._came >= self.body_timeout * SLOWEST:
                self._enter("body")
            case "body" if waited >= self.body_timeout:
                self._refuse(
                    TooSlow(f"The request's body comes too slowly: less than {SLOWEST} bytes a second for a while.")
                )

    def _is_unread(self, now: float) -> bool:
        """Whether the client has stopped taking what it is sent."""
        left = untaken(self._real)
        if not left or left < self._untaken:
            self._taken_at = now
        self._untaken = left
        return now - self._taken_at >= (STOPPING if self._stopping else UNREAD)

    @property
    def _answering(self) -> bool:
        """Whether the last request whose head has come still is to be answered."""
        return bool(self.cycle) and not self.cycle.response_complete  # there is none before the first request

    @property
    def _idle(self) -> bool:
        """Whether nothing has come since an answer: uvicorn closes the connection after `timeout_keep_alive`."""
        return self._stage == "head" and bool(self.cycle) and not (self._asking or self._framing)

    # --- how it ends ------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        unknown = isinstance(sys.exception(), HttpParserInvalidMethodError) and _REQUEST.match(self._part)
        self._refuse(self._refusal or (UnknownMethod(NO_METHOD) if unknown else _strange()))

    def _refuse(self, error: CompatError) -> None:
        """Answers with it, unless an answer is on its way, earlier requests wait or nothing was asked, and closes."""
        if self.pipeline and self._stage == "body":
            del self.pipeline[0]
            self.cycle, self._stage = self.pipeline[0][0] if self.pipeline else self._running, "head"
        if self._stage == "head" and self._answering:
            self._finish()
            return
        answerable = self._stage == "head" or not self.cycle.response_started
        if answerable and (self._framing or self._asking):
            entry = None if self._stage == "head" else self.cycle.scope["state"].get("entry")  # the app's own
            self._real.write(answer(error, told(self.app_state), entry))
        if self._stage != "head":  # as uvicorn tells an application that its client has gone
            _disconnect(self.cycle)
        self._stage = "refused"
        self._end(LINGER)

    def _finish(self) -> None:
        """Answer earlier requests, and read nothing more."""
        self.cycle.keep_alive = False
        self._stage = "refused"

    def _end(self, linger: float = DRAIN) -> None:
        """Read and drop what still arrives for `linger` seconds: closing at once would reset the connection, and the
        client would lose what it has not read yet."""
        if self._ending:
            return
        expected = self._stage in ("body", "refused") or bool(self._held)
        self._ending = True
        self._held = memoryview(b"")
        if not expected:
            self._real.close()
            return
        self.flow.resume_reading()
        half_close(self._real)
        self._closing = self.loop.call_later(LINGER if self._stopping else linger, self._real.close)


def bounded(*, head_timeout: float, body_timeout: float, connections: Connections) -> type[HttpProtocol]:
    bounds = {"head_timeout": head_timeout, "body_timeout": body_timeout, "all": connections}
    return type("Bounded", (HttpProtocol,), bounds)


def _disconnect(cycle: RequestResponseCycle) -> None:
    cycle.disconnected = True
    cycle.message_event.set()


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"The request's head has more than {HEADERS} headers or {HEAD} bytes.")


def _strange() -> BadRequest:
    return BadRequest("This is not a well-formed HTTP/1.1 request.", code="invalid_http")
