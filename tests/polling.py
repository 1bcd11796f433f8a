"""Waiting for a condition that no event announces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

EVERY = 0.02  # seconds


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Poll `condition` until it is true. Raises AssertionError after `seconds`."""
    gate = threading.Event()
    for _ in range(round(seconds / EVERY)):
        if condition():
            return
        gate.wait(EVERY)
    raise AssertionError(f"the condition was not met within {seconds:.0f} s")


async def settled(iterations: int = 20) -> None:
    """Let the event loop run for this many iterations, enough for tasks that wait for no I/O or timer."""
    for _ in range(iterations):
        await asyncio.sleep(0)
