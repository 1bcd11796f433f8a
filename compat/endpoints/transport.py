"""The connection of a live session to its client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Disconnected(Exception):
    """The client disconnected, or the transport was closed. `code` is a WebSocket close code (RFC 6455 §7.4)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ClientTransport(Protocol):
    """The connection to the client. Every method raises Disconnected. `figures` are for the log."""

    @property
    def figures(self) -> Mapping[str, object]: ...
    @property
    def unheard(self) -> float:
        """Seconds of a call's voice that wait to be heard. `write` may wait for them."""
        ...

    async def read(self) -> str | bytes: ...
    def write_now(self, texts: Sequence[str]) -> bool:
        """Write events at once and return True. Return False if they have to wait for `write`."""
        ...

    async def write(self, text: str) -> None: ...
    def play(self, pcm: bytes) -> None:
        """Let the client of a call hear this: mono 16-bit PCM at 24 kHz."""
        ...

    async def close(self, code: int, reason: str) -> None: ...
