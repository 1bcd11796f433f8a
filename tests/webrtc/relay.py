"""A UDP relay between a caller and the server that loses, delays and doubles packets of the track."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any, cast

from compat.webrtc import rtp

HELD = 0.05  # seconds that a delayed packet is late: two or three packets overtake it


class Relay:
    """`lost`, `delayed` and `doubled` are shares of the packets, and after the call their numbers."""

    def __init__(self, port: int, seed: int, *, lost: float = 0.0, delayed: float = 0.0, doubled: float = 0.0) -> None:
        self._server = ("127.0.0.1", port)
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._shares = {"lost": lost, "delayed": delayed, "doubled": doubled}
        self.counts = dict.fromkeys(("passed", *self._shares), 0)
        self.deaf = False
        """Whether the caller gets nothing but the answers to its checks."""
        self._sides: dict[Any, asyncio.DatagramTransport] = {}

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        made = await self._loop.create_datagram_endpoint(lambda: _End(self._from_caller), ("127.0.0.1", 0))
        self._front = made[0]

    def close(self) -> None:
        for transport in (self._front, *self._sides.values()):
            transport.close()

    def instead(self, answer: str) -> str:
        """Return the answer with this relay as its only candidate."""
        port = self._front.get_extra_info("sockname")[1]
        lines = [line for line in answer.split("\r\n") if not line.startswith("a=candidate")]
        mine = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=end-of-candidates"
        return re.sub("a=end-of-candidates", mine, "\r\n".join(lines), count=1)

    def _from_caller(self, data: bytes, address: Any) -> None:  # noqa: ANN401
        if address not in self._sides:
            self._loop.create_task(self._begin(data, address))
            return
        send = self._sides[address].sendto
        fate = self._fate() if 127 < data[0] < 192 and rtp.is_rtp(data) else "passed"
        self.counts[fate] += 1
        if fate == "delayed":
            self._loop.call_later(HELD, send, data)
        elif fate != "lost":
            send(data)
        if fate == "doubled":
            send(data)

    def _fate(self) -> str:
        drawn = self._random.random()
        for name, share in self._shares.items():
            if drawn < share:
                return name
            drawn -= share
        return "passed"

    async def _begin(self, data: bytes, address: Any) -> None:  # noqa: ANN401
        def back(reply: bytes, _: Any) -> None:  # noqa: ANN401
            if not self.deaf or reply[0] < 4:
                self._front.sendto(reply, address)

        made = await self._loop.create_datagram_endpoint(lambda: _End(back), remote_addr=self._server)
        self._sides[address] = made[0]
        made[0].sendto(data)


class _End(asyncio.DatagramProtocol):
    def __init__(self, received: Any) -> None:  # noqa: ANN401
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401
        self._received(data, addr)
