"""WebSockets as they come in: uvicorn's protocol, whose handshake always ends.

uvicorn 0.54 answers nothing, and waits for ever, when websockets cannot read a handshake that httptools could: a line
of more than 8192 bytes, a body. What websockets itself refuses is told as plain text that quotes the caller's headers.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import LoggerLike, StatusLike

from compat.errors import BadRequest, CompatError
from compat.wire import refusal

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
    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **options)
        self._told = refusal.told(self.app_state)
        self.conn = Connection(told=self._told, max_size=self.config.ws_max_size, logger=self.logger)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.close_sent = True
            self.transport.write(refusal.answer(UNREADABLE, self._told))
            self.transport.close()
