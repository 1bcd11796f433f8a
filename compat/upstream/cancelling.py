"""Cancellations that libraries lose on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def kept(answer: Awaitable[T]) -> T:
    """The answer, or what it raises; a cancellation that came meanwhile is raised again where it was lost.

    redis-py sends with `asyncio.wait_for`, which in Python 3.11 loses one that comes just when it has sent.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        told = await answer
    except Exception as exc:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from exc
        raise
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return told
