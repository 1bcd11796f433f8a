from __future__ import annotations

import asyncio

import pytest

from compat.upstream.cancelling import kept


async def losing(begun: asyncio.Event, error: Exception | None = None) -> str:
    """Swallow a cancellation, as `asyncio.wait_for` of Python 3.11 may do."""
    try:
        begun.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if error is not None:
            raise error from None
        return "done"
    raise AssertionError


@pytest.mark.parametrize("error", [None, OSError()])
async def test_a_lost_cancellation_is_raised_again(error: Exception | None) -> None:
    begun = asyncio.Event()
    asking = asyncio.ensure_future(kept(losing(begun, error)))
    await begun.wait()
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_timeout_whose_cancellation_was_lost_still_fires() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await kept(losing(asyncio.Event()))


async def test_an_earlier_cancellation_is_not_raised_again() -> None:
    async def cleaning() -> str:
        begun = asyncio.Event()
        assert "done" == await losing(begun)
        return await kept(asyncio.sleep(0, "result"))

    work = asyncio.ensure_future(cleaning())
    await asyncio.sleep(0)
    work.cancel()

    assert "result" == await work


async def test_an_error_is_raised_unchanged() -> None:
    async def failing() -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - it has no message
        await kept(failing())
