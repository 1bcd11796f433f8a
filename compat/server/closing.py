"""Closing a connection: what was written is sent, and neither a client that stops reading nor one that keeps sending
holds it open.

asyncio's own `close` waits for ever until what was written is read, and resets a connection on which data still
arrives, so that the client can lose the response.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any

if sys.platform == "linux":
    import fcntl
    import struct
    import termios


class ClosingTransport(asyncio.Transport):
    """The transport as uvicorn sees it: `close` is the protocol's own."""

    def __init__(self, real: asyncio.Transport, close: Callable[[], None], closing: Callable[[], bool]) -> None:
        super().__init__()
        self.real = real
        self.write = real.write  # type: ignore[method-assign]  # spares a call for each write
        self.close = close  # type: ignore[method-assign]
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing() or self.real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        return self.real.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self.real.pause_reading()

    def resume_reading(self) -> None:
        self.real.resume_reading()


def half_close(transport: asyncio.Transport) -> None:
    """End the writing side. What the client still sends can be read and dropped."""
    with contextlib.suppress(NotImplementedError, OSError):  # TLS has no half-closed connections
        transport.write_eof()


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that the client has not taken while this process holds some of them; 0 when the kernel holds them all.

    The kernel's share counts too: it is megabytes, and asks for more only when much of that has left.
    """
    held = transport.get_write_buffer_size()
    return held and held + _in_kernel(transport.get_extra_info("socket"))


def _in_kernel(connection: socket.socket | None) -> int:
    if connection is None or sys.platform != "linux":
        return 0
    with contextlib.suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    return 0
