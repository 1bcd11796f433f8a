"""How long one of many short waits may last: what `asyncio.timeout` does, with one timer for all of them.

A timer for each would cost more of the processor than to write the frame that is waited for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """`async with` it around all the waits, which raises TimeoutError when one lasts longer than `seconds`, and `with`
    it around each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._bound = asyncio.timeout(None)
        self._since: float | None = None

    async def __aenter__(self) -> Patience:
        await self._bound.__aenter__()
        self._loop = asyncio.get_running_loop()
        self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._bound.__aexit__(kind, error, trace)

    def __enter__(self) -> None:
        self._since = self._loop.time()

    def __exit__(self, *_: object) -> None:
        self._since = None

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._since is None else self._since) + self._seconds
        if due <= now:
            self._bound.reschedule(now)
        else:
            self._timer = self._loop.call_at(due, self._look)
