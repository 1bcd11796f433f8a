"""asyncio.run for commands: SIGTERM cancels the task, like Ctrl-C, instead of interrupting a running callback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine


def run(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine. After SIGTERM, cancel it and raise SystemExit with status 143."""
    asyncio.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[object, object, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        task.cancel()

    with contextlib.suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        await task
    except asyncio.CancelledError:
        if terminated.is_set():
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
