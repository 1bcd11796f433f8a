"""The ICE-lite agent of one call (RFC 8445, 2.5): it answers checks, and sends where the caller has chosen or, after
that, where the caller sends from."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from compat.webrtc import stun

QUEUE: Final = 256  # datagrams of DTLS that wait to be read; DTLS repeats what is lost
PATHS: Final = 16  # addresses of one call


class Path(Protocol):
    """A UDP address of the caller, or its TCP connection."""

    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Agent:
    """`fragment` and `password` are this end's credentials, `remote` is the caller's fragment. `on_media` takes
    datagrams of SRTP. It has the methods that aiortc's DTLS calls on an RTCIceTransport."""

    role: Final = "controlled"

    def __init__(self, remote: str, on_media: Callable[[bytes], object], now: float) -> None:
        self.fragment = secrets.token_urlsafe(9).replace("-", "+").replace("_", "/")
        self.password = secrets.token_urlsafe(24).replace("-", "+").replace("_", "/")
        self.found = asyncio.Event()
        self.heard_at = now
        """When the last authentic datagram came."""
        self._remote = remote
        self._on_media = on_media
        self._path: Path | None = None
        self._known: list[Path] = []
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._closed = False

    def check(self, binding: stun.Binding, path: Path, address: tuple[str, int], now: float) -> bool:
        """Answer a connectivity check, unless it is not authentic. Return whether it is."""
        if self._closed or binding.remote != self._remote or not binding.authentic(self.password):
            return False
        path.send(stun.response(binding, address, self.password))
        self.heard_at = now
        if path not in self._known:
            self._known = [*self._known[1 - PATHS :], path]
        if self._path is None or binding.nominated:
            self._path = path
            self.found.set()
        return True

    def knows(self, path: Path) -> bool:
        """Return whether an authentic check came on this path."""
        return path in self._known

    def take(self, data: bytes, path: Path) -> None:
        """Take a datagram of DTLS or SRTP (RFC 7983) from a known path. Its answers go there: a caller whose address
        changes, behind a NAT, does not choose its path again."""
        self._path = path
        if 127 < data[0] < 192:
            self._on_media(data)
        elif 19 < data[0] < 64 and not self._queue.full():
            self._queue.put_nowait(data)

    def lose(self, path: Path) -> None:
        """Forget a path whose connection was closed. The next check brings another."""
        self._known = [known for known in self._known if known is not path]
        if self._path is path:
            self._path = None

    def close(self) -> None:
        self._closed = True
        for path in self._known:
            path.close()
        self._known, self._path = [], None
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def _recv(self) -> bytes:
        data = None if self._closed else await self._queue.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        if self._closed:
            raise ConnectionError
        self.send(data)

    def send(self, data: bytes) -> None:
        """Send a datagram to the caller's path, if there is one."""
        if self._path is not None:
            self._path.send(data)
