"""Incoming TLS: a handshake counts as a connection and has a timeout.

asyncio calls a server's protocol only after the handshake, and waits a minute for that. Without this module, the limits
would not apply to clients that never finish the handshake.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

from compat.server import http
from compat.server.connections import ConnectionSlot
from compat.server.refusal import LINGER


class Handshake(asyncio.Protocol):
    """Perform a TLS handshake, then hand the connection to the protocol that `make_protocol` returns."""

    def __init__(self, context: ssl.SSLContext, make_protocol: Callable[[], http.HttpProtocol]) -> None:
        self._context = context
        self._make_protocol = make_protocol
        self._early = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        http_protocol = self._make_protocol()
        slot = http_protocol.enter(transport)
        handshake = asyncio.get_running_loop().start_tls(
            transport,
            self,
            self._context,
            server_side=True,
            ssl_handshake_timeout=http_protocol.head_timeout,
            ssl_shutdown_timeout=LINGER,
        )
        # Run start_tls up to its first await synchronously. A task would start later, and the client's first bytes
        # could arrive before that.
        waiting = handshake.send(None)
        self._task = asyncio.get_running_loop().create_task(
            self._perform(handshake, waiting, transport, http_protocol, slot)
        )
        slot.end = self.shutdown

    def data_received(self, data: bytes) -> None:
        """Keep data that arrived together with the end of the handshake."""
        self._early += data

    def shutdown(self) -> None:
        """Cancel the handshake. uvicorn calls this for each connection when the server stops."""
        self._task.cancel()

    async def _perform(
        self,
        handshake: Coroutine[Any, Any, asyncio.Transport | None],
        waiting: asyncio.Future[None],
        transport: asyncio.Transport,
        http_protocol: http.HttpProtocol,
        slot: ConnectionSlot,
    ) -> None:
        http_protocol.connections.add(cast("http.HttpProtocol", self))
        tls: asyncio.Transport | None = None
        try:
            await asyncio.wait([waiting])
            handshake.send(None)
        except StopIteration as done:
            tls = None if transport.is_closing() else done.value  # asyncio also returns normally if it was closed
        except OSError:  # includes TLS errors and timeouts
            pass
        finally:
            http_protocol.connections.discard(cast("http.HttpProtocol", self))
            if tls is None:
                handshake.close()
                transport.abort()
                http_protocol.all.leave(slot)
        if tls is not None:
            tls.set_protocol(http_protocol)
            http_protocol.connection_made(tls)
            if self._early:
                http_protocol.data_received(self._early)
