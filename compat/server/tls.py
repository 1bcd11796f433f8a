"""Incoming TLS: a handshake counts as a connection, and has a time limit.

asyncio calls a server's protocol only after the handshake, for which it waits a minute, so that none of the bounds
would apply to clients that never finish it.
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
    """Ends in a connection of its own, which `made` makes a protocol for."""

    def __init__(self, context: ssl.SSLContext, made: Callable[[], http.HttpProtocol]) -> None:
        self._context = context
        self._made = made
        self._early = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        then = self._made()
        place = then.enter(transport)
        started = asyncio.get_running_loop().start_tls(
            transport,
            self,
            self._context,
            server_side=True,
            ssl_handshake_timeout=then.head_timeout,
            ssl_shutdown_timeout=LINGER,
        )
        # Up to where it waits, here and now: a task would begin after the client's first bytes may have come.
        waiting = started.send(None)
        self._shaking = asyncio.get_running_loop().create_task(self._shake(started, waiting, transport, then, place))
        place.end = self.shutdown

    def data_received(self, data: bytes) -> None:
        """What came together with the end of the handshake."""
        self._early += data

    def shutdown(self) -> None:
        """As uvicorn ends connections when the server stops."""
        self._shaking.cancel()

    async def _shake(
        self,
        started: Coroutine[Any, Any, asyncio.Transport | None],
        waiting: asyncio.Future[None],
        transport: asyncio.Transport,
        then: http.HttpProtocol,
        place: ConnectionSlot,
    ) -> None:
        then.connections.add(cast("http.HttpProtocol", self))
        tls: asyncio.Transport | None = None
        try:
            await asyncio.wait([waiting])
            started.send(None)
        except StopIteration as done:
            tls = None if transport.is_closing() else done.value  # which asyncio takes for an end as good as any
        except OSError:  # TLS's own errors are OSErrors, and so are time-outs
            pass
        finally:
            then.connections.discard(cast("http.HttpProtocol", self))
            if tls is None:
                started.close()
                transport.abort()
                then.all.leave(place)
        if tls is not None:
            tls.set_protocol(then)
            then.connection_made(tls)
            if self._early:
                then.data_received(self._early)
