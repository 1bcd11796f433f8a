"""HTTP/1.1 without a proxy, and its pool of connections.

It replaces `httpx2.AsyncHTTPTransport`, which takes more than twice the processor time for a request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import httpx2

from compat.upstream.connection import Blocks, Exchange, HttpConnection
from compat.upstream.dialling import dial
from compat.upstream.parsing import RequestHead

PORTS: Final = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class DirectTransport(httpx2.AsyncBaseTransport):
    """The transport of an httpx2 client whose requests are sent with `exchange`.

    Connections are kept for later requests to the same origin. Their number is not limited. A request whose connection
    is lost is not repeated, because the server may have acted on it; only a connection that is found closed before
    anything was sent is replaced.
    """

    def __init__(self, verify: ssl.SSLContext, *, keepalive: int, expiry: float, uds: str | None = None) -> None:
        """Keep at most `keepalive` idle connections, each for `expiry` seconds. `uds` is the path of a Unix socket that
        is used for all origins."""
        verify.set_alpn_protocols(["http/1.1"])
        self._verify = verify
        self._keepalive = keepalive
        self._expiry = expiry
        self._uds = uds
        self._connections: set[HttpConnection] = set()
        self._idle: list[HttpConnection] = []  # the longest idle first
        self._sweeping: asyncio.TimerHandle | None = None

    async def exchange(
        self, origin: Origin, head: RequestHead, blocks: Blocks, timeouts: Mapping[str, float | None]
    ) -> Exchange:
        """Send a request, whose `timeouts` are httpx2's in seconds. Raises httpx2's errors."""
        connection = self._kept(origin) or await self._opened(origin, timeouts.get("connect"))
        return await connection.send(head, blocks, timeouts)

    async def aclose(self) -> None:
        if self._sweeping:
            self._sweeping.cancel()
        connections = list(self._connections)
        for connection in connections:
            connection.transport.abort()
        for connection in connections:
            await connection.closed.wait()

    def _kept(self, origin: Origin) -> HttpConnection | None:
        """Take the connection to `origin` that became idle last."""
        for at in reversed(range(len(self._idle))):
            if self._idle[at].origin == origin:
                connection = self._idle.pop(at)
                if connection.usable():
                    return connection
                connection.transport.abort()
        return None

    async def _opened(self, origin: Origin, patience: float | None) -> HttpConnection:
        """Open a connection. Raises ConnectTimeout if that, with the TLS handshake, takes longer than `patience`
        seconds."""
        scheme, host, port = origin
        tls, name = (self._verify, host) if scheme == "https" else (None, None)
        loop = asyncio.get_running_loop()
        try:
            if self._uds:
                async with asyncio.timeout(patience):
                    _, opened = await loop.create_unix_connection(
                        lambda: self._new(origin), self._uds, ssl=tls, server_hostname=name
                    )
            else:
                async with asyncio.timeout(patience):
                    socket = await dial(host, port)
                async with asyncio.timeout(patience):
                    _, opened = await loop.create_connection(
                        lambda: self._new(origin), sock=socket, ssl=tls, server_hostname=name
                    )
        except TimeoutError as exc:
            raise httpx2.ConnectTimeout("timed out") from exc
        except (OSError, UnicodeError) as exc:
            raise httpx2.ConnectError(str(exc)) from exc
        if opened.transport.is_closing():
            raise httpx2.ConnectError("The server closed the connection at once.")
        self._connections.add(opened)
        return opened

    def _new(self, origin: Origin) -> HttpConnection:
        return HttpConnection(origin, on_idle=self._keep, on_lost=self._forget)

    def _keep(self, connection: HttpConnection) -> None:
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        if len(self._idle) > self._keepalive:
            self._idle.pop(0).transport.abort()
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._expiry, self._sweep)

    def _forget(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Close the connections that have been idle for too long, and look again when the next one will have been."""
        loop = asyncio.get_running_loop()
        self._sweeping = None
        while self._idle:
            left = self._idle[0].idle_since + self._expiry - loop.time()
            if left > 0:
                self._sweeping = loop.call_later(left, self._sweep)
                break
            self._idle.pop(0).transport.abort()


def origin_of(url: httpx2.URL) -> Origin:
    if url.scheme not in PORTS:
        raise httpx2.UnsupportedProtocol(f"The scheme {url.scheme!r} is not supported.")
    host = url.raw_host.decode("ascii")
    return url.scheme, host, url.port or PORTS[url.scheme]
