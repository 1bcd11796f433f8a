"""The WebSocket protocol of one connection: websockets' parser, with refusals in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from websockets.datastructures import Headers
from websockets.frames import DATA_OPCODES, Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import LoggerLike, StatusLike

from compat.errors import INTERNAL_ERROR, BadRequest, CompatError
from compat.server import refusal

LONGEST_HEAD: Final = 14
UNREADABLE: Final = BadRequest(
    "This is not a WebSocket handshake (RFC 6455, version 13) with lines of at most 8192 bytes.",
    code="invalid_handshake",
)


class _Reader(StreamReader):
    """`between`: whether the parser waits for the beginning of a frame."""

    between = False

    def at_eof(self) -> Generator[None, None, bool]:
        self.between = True
        try:
            return (yield from super().at_eof())
        finally:
            self.between = False


class WebSocketConnection(ServerProtocol):
    """The protocol of websockets, with refusals in OpenAI's shape."""

    reader: _Reader

    def __init__(self, *, on_refusal: refusal.OnRefusal, max_size: int | None, logger: LoggerLike) -> None:
        super().__init__(max_size=max_size, logger=logger)
        self._on_refusal = on_refusal
        self.reader = _Reader()
        self.parser = self.parse()
        next(self.parser)  # as in websockets' constructor, with its own reader
        self._fragmented = False

    @property
    def between(self) -> bool:
        """Whether the next byte begins a message or a control frame between two messages."""
        return self.reader.between and not self._fragmented

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        if frame.opcode in DATA_OPCODES:
            self._fragmented = not frame.fin

    def reject(self, status: StatusLike, text: str) -> Response:  # noqa: ARG002 - websockets' message
        """Return an error in OpenAI's shape. `text` is not used, since it quotes the client's headers."""
        plain = super().reject(status, "")
        error = UNREADABLE if plain.status_code < 500 else CompatError(INTERNAL_ERROR)
        headers, body = refusal.fields(error, self._on_refusal)
        return Response(plain.status_code, plain.reason_phrase, Headers(headers), body)


def frame_length(data: memoryview) -> int:
    """Return the length of the frame that begins here (RFC 6455, 5.2), or 0 if its head is incomplete."""
    head = bytes(data[:LONGEST_HEAD])
    if len(head) < LONGEST_HEAD:
        return 0
    match head[1] & 127:
        case 126:
            return 8 + int.from_bytes(head[2:4])
        case 127:
            return 14 + int.from_bytes(head[2:10])
        case size:
            return 6 + size
