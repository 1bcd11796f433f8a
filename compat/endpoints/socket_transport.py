"""A WebSocket as the transport of a live session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.endpoints.live_session import LiveSession
from compat.endpoints.transport import Disconnected


class SocketTransport:
    """See `ClientTransport`. `compat.server.websocket` calls `take` and provides `put`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    @property
    def figures(self) -> Mapping[str, object]:
        return {}

    @property
    def unheard(self) -> float:
        return 0.0

    def begin(self, session: LiveSession) -> None:
        self._socket.state.take = session.take

    async def read(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(message.get("code", 1006))
        text: str | None = message.get("text")
        frame: str | bytes = message["bytes"] if text is None else text
        return frame

    def write_now(self, texts: Sequence[str]) -> bool:
        put = self._socket.scope["state"].get("put")
        return put is not None and put(texts)

    def play(self, pcm: bytes) -> None:
        """Do nothing: over a WebSocket, the voice is in events."""

    async def write(self, text: str) -> None:
        with _closing():
            await self._socket.send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        with _closing():
            await self._socket.close(code, reason)


@contextlib.contextmanager
def _closing() -> Iterator[None]:
    try:
        yield
    except (WebSocketDisconnect, RuntimeError) as exc:  # RuntimeError: the socket has already been closed
        raise Disconnected(1006) from exc
