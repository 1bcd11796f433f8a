"""A pool of HTTP clients with few connections each.

Through a proxy, httpx2 uses httpcore2, which scans all connections of a pool whenever a request begins or ends, with a
system call for each idle one (2.16). With hundreds of concurrent requests in a single pool that took a fifth of the CPU
time. Requests use the first client with room, so idle connections gather in the first clients.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import httpx2

EACH = 16  # concurrent requests per client
UNUSED = 30.0  # seconds after which an unused client, except the first, is closed with its idle connections


ClientT = TypeVar("ClientT", bound=httpx2.AsyncClient)


class _Pool(Generic[ClientT]):
    """A client, and the requests that use it now. As a context, it is used for one more."""

    def __init__(self, client: ClientT, clock: Callable[[], float]) -> None:
        self.client = client
        self.busy = 0
        self.left = 0.0
        self._clock = clock

    async def __aenter__(self) -> ClientT:
        self.busy += 1
        return self.client

    async def __aexit__(self, *_: object) -> None:
        self.busy -= 1
        self.left = self._clock()


class Pools(Generic[ClientT]):
    def __init__(self, make: Callable[[], ClientT], clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._clock = clock
        self._pools = [_Pool(make(), clock)]

    def client(self) -> contextlib.AbstractAsyncContextManager[ClientT]:
        """Return the context of a client for one request. Keep it open until the response is closed."""
        [first, *others] = self._pools
        return self._tidied() if others or first.busy >= EACH else first

    @contextlib.asynccontextmanager
    async def _tidied(self) -> AsyncIterator[ClientT]:
        async with self._free() as client:
            await self._close_unused()
            yield client

    async def close(self) -> None:
        while self._pools:
            await self._pools.pop().client.aclose()

    def _free(self) -> _Pool[ClientT]:
        for pool in self._pools:
            if pool.busy < EACH:
                return pool
        self._pools.append(_Pool(self._make(), self._clock))
        return self._pools[-1]

    async def _close_unused(self) -> None:
        since = self._clock() - UNUSED
        unused = [pool for pool in self._pools[1:] if not pool.busy and pool.left < since]
        for pool in unused:
            self._pools.remove(pool)  # all before the first await, so that no other request takes one
        for pool in unused:
            await pool.client.aclose()
