"""Cancel work when the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """Return or raise what `work` does. If the client disconnects first, cancel `work` and raise ClientDisconnect.

    Read the request's body before you call this.
    """
    # Like asyncio.timeout, this runs the work in the current task: another task would cost each request time.
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    cancels, disconnected = task.cancelling(), False

    async def watch() -> None:
        nonlocal disconnected
        while (await receive())["type"] != "http.disconnect":
            pass
        disconnected = True
        task.cancel()

    watching: list[asyncio.Future[None]] = []
    # Work that never waits needs no task.
    beginning = asyncio.get_running_loop().call_soon(lambda: watching.append(asyncio.ensure_future(watch())))
    try:
        return await work
    except asyncio.CancelledError:
        if disconnected and task.uncancel() <= cancels:
            raise ClientDisconnect from None
        raise
    finally:
        beginning.cancel()
        for each in watching:
            each.cancel()
