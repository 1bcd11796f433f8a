"""Bodies that are received into one buffer, without a copy of each part that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class BodyReader(asyncio.BufferedProtocol):
    """The protocol of a connection while the rest of a body arrives. asyncio reads into its buffer, and no further.

    `protocol` is the connection's usual one, which does not get these bytes. `count` is called with the number of new
    bytes and returns how many are missing. If the body is abandoned, `give_back` is called with the bytes.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        transport: asyncio.Transport,
        count: Callable[[int], int],
        give_back: Callable[[bytearray], None],
    ) -> None:
        self._protocol = protocol
        self._transport = transport
        self._count = count
        self._give_back = give_back
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    async def read(self, cycle: RequestResponseCycle, size: int, early: memoryview) -> bytearray | None:
        """Return the body of `size` bytes. It begins with what the cycle has of it, and with `early`, which is not
        parsed. Return None if the client disconnects."""
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        buffer, start = bytearray(size), len(cycle.body)
        buffer[:start], cycle.body = cycle.body, bytearray()
        self._rest = memoryview(buffer)[start:]
        self._rest[: len(early)] = early
        self.buffer_updated(len(early))
        try:
            if self._rest:
                self._transport.set_protocol(self)
                self._transport.resume_reading()
            while self._rest and not cycle.disconnected:
                await cycle.message_event.wait()
                cycle.message_event.clear()
        finally:
            if self._rest:
                self._transport.set_protocol(self._protocol)
                self._give_back(buffer[start : size - len(self._rest)])
        cycle.message_event.clear()  # from now on, it only announces a disconnect
        return None if cycle.disconnected else buffer

    def get_buffer(self, _: int) -> memoryview:
        return self._rest

    def buffer_updated(self, nbytes: int) -> None:
        self._rest = self._rest[nbytes:]
        if not self._count(nbytes):
            self._transport.set_protocol(self._protocol)
