"""Closing a connection: written data is delivered, and the client cannot hold the connection open.

asyncio's own `close` waits without a limit for the client to read what was written. It also resets a connection on
which data still arrives, and the client can lose the response.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if sys.platform == "linux":
    import fcntl
    import struct
    import termios


class ClosingTransport(asyncio.Transport):
    """A transport for uvicorn, with `close` and `is_closing` replaced by the protocol's own.

    It sends the head of a response together with the beginning of its body, in one segment, unless the application
    waits in between.
    """

    def __init__(self, real: asyncio.Transport, close: Callable[[], None], closing: Callable[[], bool]) -> None:
        super().__init__()
        self.real = real
        self._close = close
        self._closing = closing
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            head, self._head = self._head, b""
            self.real.write(head + data)
        elif data[:5] == b"HTTP/":
            self._head = bytes(data)
            asyncio.get_running_loop().call_soon(self.flush)
        else:
            self.real.write(data)

    def flush(self) -> None:
        """Send a head that no body has followed."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._close()

    def is_closing(self) -> bool:
        return self._closing() or self.real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        return self.real.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self.real.pause_reading()

    def resume_reading(self) -> None:
        self.real.resume_reading()


def disconnect(cycle: RequestResponseCycle) -> None:
    """Tell the application that the client has disconnected."""
    cycle.disconnected = True
    cycle.message_event.set()


def half_close(transport: asyncio.Transport) -> None:
    """Close the writing side. The reading side stays open, so that remaining data can be read and discarded."""
    with contextlib.suppress(NotImplementedError, OSError):  # TLS has no half-closed connections
        transport.write_eof()


def unacknowledged(transport: asyncio.Transport) -> int:
    """Return the number of bytes that the client has not acknowledged, or 0 if the kernel holds all of them.

    The kernel's send buffer is included while this process has bytes left. The buffer holds megabytes and accepts more
    only after much of it has been sent, so the process's own count can stand still while a slow client reads.
    """
    held = transport.get_write_buffer_size()
    return held and held + _in_kernel(transport.get_extra_info("socket"))


def _in_kernel(connection: socket.socket | None) -> int:
    if connection is None or sys.platform != "linux":
        return 0
    with contextlib.suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    return 0
