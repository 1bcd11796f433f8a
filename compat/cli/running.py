"""asyncio.run for commands that SIGTERM ends as Ctrl-C does: between two steps of the loop, never within one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine


def run(work: Coroutine[object, object, None]) -> None:
    """Raises SystemExit with 143 at SIGTERM, when the work has been cancelled."""
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
