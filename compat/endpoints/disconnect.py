"""Work that ends when its caller has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """What `work` returns or raises; it is cancelled, and ClientDisconnect raised, when the caller hangs up first.

    The request's body has to have been read.
    """
    # As asyncio.timeout does it: the work stays in its caller's task, for a task of its own would cost each request.
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    cancels, gone = task.cancelling(), False

    async def hear() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    hearing = asyncio.ensure_future(hear())
    try:
        return await work
    except asyncio.CancelledError:
        if gone and task.uncancel() <= cancels:
            raise ClientDisconnect from None
        raise
    finally:
        hearing.cancel()
