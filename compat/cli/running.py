"""asyncio.run for commands: SIGTERM and SIGHUP cancel the task, like Ctrl-C, instead of interrupting a callback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Coroutine


def ending() -> list[signal.Signals]:
    """Return the signals that end a command, after its cleanup. `nohup` has SIGHUP ignored."""
    return [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]


def ends_with_input() -> None:
    """Send this process SIGTERM when standard input ends. As a pipe from another process, it ends with that process,
    however that ends."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def run(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine. After SIGTERM or SIGHUP, cancel it and raise SystemExit with status 143 or 129."""
    asyncio.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[object, object, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    received: list[int] = []

    def terminate(number: int) -> None:
        received.append(number)
        task.cancel()

    signals = ending()
    for each in signals:
        loop.add_signal_handler(each, terminate, each)
    try:
        await task
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
