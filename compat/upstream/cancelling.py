"""Restores cancellations that a library has swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def kept(answer: Awaitable[T]) -> T:
    """Await `answer`. Raises CancelledError if the task was cancelled meanwhile and `answer` has swallowed that.

    redis-py sends with `asyncio.wait_for`, which in Python 3.11 loses a cancellation that arrives just as the send
    completes.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        result = await answer
    except Exception as exc:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from exc
        raise
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
