"""The transport of a call: its data channel, and WebSockets that have joined it by `call_id`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.endpoints.live_session import LiveSession
from compat.endpoints.transport import Disconnected
from compat.errors import Overloaded
from compat.webrtc.peer import Lost, Peer

SIDEBANDS: Final = 4  # WebSockets that have joined one call
BACKLOG: Final = 1 << 20  # bytes of events that wait for one of them


class Sideband:
    """A WebSocket that has joined a call."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: deque[str] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._over = False

    def put(self, text: str) -> None:
        self._waiting.append(text)
        self._size += len(text)
        if self._size > BACKLOG:
            self.end()
        self._more.set()

    def end(self) -> None:
        """Close the WebSocket after what waits."""
        self._over = True
        self._more.set()

    async def run(self, deliver: Callable[[str | bytes], object]) -> None:
        """Pass events on until the call ends or the client disconnects."""
        reading = asyncio.create_task(self._read(deliver))
        try:
            await self._write()
            await self._socket.close(*(1008, "The client does not read its events.") if self._stalled else (1000, ""))
        except (WebSocketDisconnect, RuntimeError):
            """The client has gone."""
        finally:
            reading.cancel()

    @property
    def _stalled(self) -> bool:
        return self._size > BACKLOG

    async def _write(self) -> None:
        while not self._stalled and (self._waiting or not self._over):
            if not self._waiting:
                self._more.clear()
                await self._more.wait()
                continue
            text = self._waiting.popleft()
            await self._socket.send_text(text)
            self._size -= len(text)

    async def _read(self, deliver: Callable[[str | bytes], object]) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self.end()
                return
            text: str | None = message.get("text")
            deliver(message["bytes"] if text is None else text)


class CallTransport:
    """A call as the transport of a live session. A failing WebSocket does not end the call. After the caller has hung
    up, the WebSockets still get the transcript of the open turn."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._session: LiveSession | None = None
        self._listening = False
        self._never: asyncio.Queue[str] = asyncio.Queue()
        self._sidebands: list[Sideband] = []
        self._created = self._updated = ""
        """The last reports of the session's settings, for WebSockets that join later."""

    def begin(self, session: LiveSession) -> None:
        self._session = session

    @property
    def figures(self) -> Mapping[str, object]:
        return self._peer.figures

    @property
    def unheard(self) -> float:
        return self._peer.unheard

    async def read(self) -> str | bytes:
        if self._session is not None and not self._listening:
            self._listening = True
            self._peer.listen(self._session.take_sound)
        try:
            return await self._peer.receive()
        except Lost as exc:
            if self._session is None or not self._sidebands:
                raise Disconnected(1000) from exc
        self._session.leave(0.0)
        return await self._never.get()  # until the session ends

    def write_now(self, texts: Sequence[str]) -> bool:  # noqa: ARG002 - a data channel has nothing of the kind
        return False

    async def write(self, text: str) -> None:
        kind = text[:60]
        if not self._created:
            self._created = text
        elif '"type":"session.updated"' in kind or '"type":"transcription_session.updated"' in kind:
            self._updated = text
        elif '"type":"session.closed"' in kind:  # a client disconnects when it gets this
            await self._peer.played()
        for side in self._sidebands:
            side.put(text)
        try:
            await self._peer.send(text)
        except Lost as exc:
            if not self._sidebands:
                raise Disconnected(1000) from exc

    def play(self, pcm: bytes) -> None:
        self._peer.play(pcm)

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - a data channel has neither
        await self._peer.close()

    def join(self, side: Sideband) -> None:
        """Raise Overloaded if too many have joined."""
        if len(self._sidebands) >= SIDEBANDS:
            raise Overloaded(f"This call has {SIDEBANDS} WebSockets already.", retry_after=1.0)
        self._sidebands.append(side)
        for text in filter(None, (self._created, self._updated)):
            side.put(text)

    def leave(self, side: Sideband) -> None:
        self._sidebands.remove(side)

    def end(self) -> None:
        """Close the WebSockets: the call has ended."""
        for side in self._sidebands:
            side.end()
