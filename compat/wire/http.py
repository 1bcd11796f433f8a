"""HTTP as it comes in: uvicorn's protocol, with bounds on a request's head and on how slowly a caller may send.

uvicorn 0.54 with httptools bounds neither: a head may be endless, and a connection may bring a byte an hour. Who is cut
off is told so in OpenAI's shape, and so is who does not speak HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import ClassVar, Final, Literal, cast

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from compat.errors import BadRequest, CompatError, HeadTooLarge, TooSlow
from compat.wire.refusal import LINGER, answer, told
from compat.wire.unframed import unframed

HEAD: Final = 64 << 10  # bytes of the request line and the headers
HEADERS: Final = 100  # websockets, which reads the heads of upgrades again, takes 128
SLOWEST: Final = 512  # bytes a second that a body has to bring, measured over `body_timeout`

Stage = Literal["head", "body", "answer", "refused"]


class Refused(Exception):
    """Ends the parser's work; what is told stands in the protocol."""


class Protocol(HttpToolsProtocol):
    """`head_timeout`: seconds for a head to come, from the connection or the answer before it. `body_timeout`: the
    seconds over which a body's rate is measured."""

    head_timeout: ClassVar[float] = 10.0
    body_timeout: ClassVar[float] = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._stage: Stage = "head"
        self._since = self.loop.time()
        self._came = 0
        self._begun = False
        self._asking = False
        self._refusal: CompatError | None = None
        self._due = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._looking.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """uvicorn's own drops what came together with the head. Where that ends the parser's exception says."""
        self._looking.cancel()  # from here on it is a session, which has bounds of its own
        super().handle_websocket_upgrade()
        upgrade = sys.exception()
        if isinstance(upgrade, HttpParserUpgrade) and (early := self._part[upgrade.args[0] :]):
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(early)

    # --- what comes -------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stage == "refused":
            return
        self._begun = False
        self._part = data
        super().data_received(data)
        self._part = b""
        if not self._begun:  # of a part in which a request begins nobody knows how much is its own
            self._came += len(data)
        if self._stage == "head" and self._came > HEAD:
            self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = self._asking = True
        self._enter("head")

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD or len(self.headers) > HEADERS:
            self._refusal = _head_too_large()
            raise Refused
        before = self.cycle
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0" and self.cycle is not before:
            self.cycle.send = unframed(self.cycle)  # type: ignore[assignment, method-assign]  # starlette's type
        self._enter("body")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter("answer")

    def on_response_complete(self) -> None:
        if self._stage == "answer":
            self._asking = False
            self._enter("head")
        super().on_response_complete()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._since = self.loop.time()
        self._came = 0

    # --- who is too slow --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        now = self.loop.time()
        self._since += now - self._due  # while the loop was late nobody was heard
        self._due = now + min(1.0, self.head_timeout / 4, self.body_timeout / 4)
        self._looking = self.loop.call_at(self._due, self._look)
        waited = now - self._since
        match self._stage:
            case "head" if waited >= self.head_timeout and not self._answering:
                self._refuse(TooSlow(f"The request's head did not come within {self.head_timeout:g} seconds."))
            case "body" if self.flow.read_paused:  # it is not the caller who is slow
                self._enter("body")
            case "body" if waited >= self.body_timeout and self._came >= self.body_timeout * SLOWEST:
                self._enter("body")
            case "body" if waited >= self.body_timeout:
                self._refuse(
                    TooSlow(f"The request's body comes too slowly: less than {SLOWEST} bytes a second for a while.")
                )

    @property
    def _answering(self) -> bool:
        """Whether a request, while a head is coming the one before it, still is to be answered."""
        return bool(self.cycle) and not self.cycle.response_complete  # there is none before the first request

    # --- how a refusal leaves ---------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        self._refuse(self._refusal or BadRequest("This is not a well-formed HTTP/1.1 request.", code="invalid_http"))

    def _refuse(self, error: CompatError) -> None:
        """Says so, unless an answer is on its way or nothing was asked, and closes."""
        answerable = not self._answering if self._stage == "head" else not self.cycle.response_started
        if answerable and (self._came or self._asking):
            self.transport.write(answer(error, told(self.app_state)))
        if self._stage != "head":  # as uvicorn tells an application that its caller has gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._stage = "refused"
        self.flow.resume_reading()
        with contextlib.suppress(NotImplementedError):  # TLS has no half-closed connections
            self.transport.write_eof()
        self._looking.cancel()
        self._looking = self.loop.call_later(LINGER, self.transport.close)


def bounded(*, head_timeout: float, body_timeout: float) -> type[Protocol]:
    return type("Bounded", (Protocol,), {"head_timeout": head_timeout, "body_timeout": body_timeout})


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"The request's head has more than {HEADERS} headers or {HEAD} bytes.")
