"""One timer for many short waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from compat.endpoints.patience import Patience

LONG = 60.0  # seconds: nobody waits for so long here


async def told(seconds: float, *waits: Awaitable[object]) -> None:
    async with asyncio.timeout(LONG / 2), Patience(seconds) as patience:
        for wait in waits:
            with patience:
                await wait
            await asyncio.sleep(0.08)


async def at_once() -> None:
    pass


async def broken() -> None:
    raise ConnectionError


async def test_a_wait_that_lasts_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        await told(0.05, at_once(), asyncio.sleep(LONG))


async def test_the_time_between_two_waits_does_not_count() -> None:
    await told(0.05, at_once(), at_once(), at_once())


async def test_what_else_ends_a_wait_is_told_as_it_is() -> None:
    with pytest.raises(ConnectionError):
        await told(LONG, broken())


async def test_who_is_cancelled_hears_of_no_time_out() -> None:
    task = asyncio.create_task(told(LONG, asyncio.sleep(LONG)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
