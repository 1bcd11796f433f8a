"""The sockets of all calls: one UDP port, and the same TCP port (RFC 4571, RFC 6544).

A call is known by the fragment in an authentic check, and after that by the address of its datagrams. Other datagrams
are not answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Final, cast

from compat.webrtc import stun
from compat.webrtc.ice import PATHS, Agent

ATTEMPTS: Final = 20
BUFFER: Final = 4 << 20  # bytes of the kernel's receive buffer
FIRST: Final = 5.0  # seconds that a TCP connection may take for its first authentic check
STRANGERS: Final = 256  # TCP connections without one
ELSEWHERE: Final = "192.0.2.1"  # an address for documentation (RFC 5737)
UNSENT: Final = 1 << 20  # bytes that a TCP connection may have to send; beyond it, datagrams are lost

Address = tuple[str, int]


def bind(host: str, port: int, *, tcp: bool) -> list[socket.socket]:
    """Bind a UDP socket and, with `tcp`, one of TCP to the same port; 0 takes a free one. Raises OSError."""
    for _ in range(0 if port else ATTEMPTS):
        with contextlib.suppress(OSError):  # a port that is free for UDP may be taken for TCP
            return _bind(host, 0, tcp=tcp)
    return _bind(host, port, tcp=tcp)


def _bind(host: str, port: int, *, tcp: bool) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        bound: list[socket.socket] = []
        for kind in [socket.SOCK_DGRAM, *([socket.SOCK_STREAM] if tcp else [])]:
            each = stack.enter_context(contextlib.closing(socket.socket(family, kind)))
            each.setblocking(False)
            if kind == socket.SOCK_STREAM:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            each.bind((host, port))
            port = each.getsockname()[1]
            bound.append(each)
        stack.pop_all()
    return bound


def interface() -> list[str]:
    """Return the address of this machine that it sends from, or nothing without a network. Nothing is sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((ELSEWHERE, 9))
        return [probe.getsockname()[0]]
    return []


class UdpPath:
    def __init__(self, transport: asyncio.DatagramTransport, address: Address) -> None:
        self._transport = transport
        self._address = address

    def send(self, data: bytes) -> None:
        self._transport.sendto(data, self._address)

    def close(self) -> None:
        """The socket is that of all calls."""


class TcpPath:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, data: bytes) -> None:
        transport = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < UNSENT:
            self._writer.write(len(data).to_bytes(2) + data)

    def close(self) -> None:
        self._writer.close()


class Port:
    """The calls of this process, and its sockets."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._agents: dict[str, Agent] = {}
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[_Datagrams] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._strangers = 0

    @property
    def number(self) -> int:
        number: int = self._sockets[0].getsockname()[1]
        return number

    @property
    def hosts(self) -> list[str]:
        """Return the addresses on which this machine reaches the port."""
        bound = {each.getsockname()[0]: None for each in self._sockets}
        return ["127.0.0.1", *interface()] if {"0.0.0.0", "::"} & bound.keys() else [*bound]  # noqa: S104 - not bound here

    @property
    def most_paths(self) -> int:
        """The paths of all calls, twice: beyond that, a caller has used many addresses."""
        return 2 * PATHS * len(self._agents)

    @property
    def protocols(self) -> list[str]:
        """Return "udp", and "tcp" if there is such a socket."""
        kinds = {each.type for each in self._sockets}
        return ["udp", "tcp"] if socket.SOCK_STREAM in kinds else ["udp"]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            if each.type == socket.SOCK_DGRAM:
                _, datagrams = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=each)
                self._datagrams.append(datagrams)
            else:
                self._servers.append(await asyncio.start_server(self._connected, sock=each))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for datagrams in self._datagrams:
            datagrams.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def add(self, agent: Agent) -> None:
        self._agents[agent.fragment] = agent

    def remove(self, agent: Agent) -> None:
        self._agents.pop(agent.fragment, None)
        for datagrams in self._datagrams:
            datagrams.forget(agent)
        agent.close()

    def checked(self, data: bytes, path: UdpPath | TcpPath, address: Address) -> Agent | None:
        """Answer a connectivity check and return its agent; None if it is no authentic check."""
        binding = stun.read(data)
        agent = self._agents.get(binding.local) if binding else None
        if binding is None or agent is None:
            return None
        return agent if agent.check(binding, path, address, time.monotonic()) else None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine of a task
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._strangers >= STRANGERS:
            return
        path, address = TcpPath(writer), writer.get_extra_info("peername")[:2]
        self._strangers += 1
        try:
            async with asyncio.timeout(FIRST):
                agent = self.checked(await _frame(reader), path, address)
        finally:
            self._strangers -= 1
        if agent is None:
            return
        try:
            while agent.knows(path):
                data = await _frame(reader)
                if data and data[0] < 4:
                    self.checked(data, path, address)
                elif data:
                    agent.take(data, path)
        finally:
            agent.lose(path)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


class _Datagrams(asyncio.DatagramProtocol):
    """The calls of one UDP socket, by the address that they send from."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._paths: dict[Address, tuple[Agent, UdpPath]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is no subclass

    def datagram_received(self, data: bytes, addr: Address) -> None:
        known = self._paths.get(addr)
        if known is not None and data and data[0] > 3:
            agent, path = known
            if agent.knows(path):
                agent.take(data, path)
            return
        path = known[1] if known else UdpPath(self._transport, addr)
        checked = self._port.checked(data, path, addr[:2])
        if checked is not None:
            self._paths[addr] = checked, path
            if len(self._paths) > self._port.most_paths:
                self._paths = {address: each for address, each in self._paths.items() if each[0].knows(each[1])}

    def forget(self, agent: Agent) -> None:
        self._paths = {address: known for address, known in self._paths.items() if known[0] is not agent}

    def close(self) -> None:
        self._transport.close()

    def error_received(self, exc: Exception) -> None:
        """A caller's port is closed: its call ends when nothing more comes."""
