"""How late this process's own event loop is, so that it is not held against the service.

A time-out counts the seconds in which the loop had no time to look whether there is a connection: with hundreds of
uploads at once one turn of the loop takes seconds. uvloop even counts from the beginning of the turn in which the wait
began (its `time()` stands still within a turn), so that a time-out may come before its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from compat.errors import Overloaded

LOOK = 0.2
ATTENTIVE = 0.8  # the share of a time-out that the loop has to have been there for


class LoopLag:
    def __init__(self, clock: Callable[[], float] = time.monotonic, *, look: float = LOOK) -> None:
        """`look`: seconds between two looks, which have to be few beside the time-outs that are excused."""
        self._clock = clock
        self._look = look
        self._late = 0.0
        self._due = float("inf")

    async def beat(self, noted: Callable[[float], object]) -> NoReturn:
        """Watches the loop for as long as it is awaited; `noted` is told of each look how many seconds it was late."""
        while True:
            self._due = self._clock() + self._look
            await asyncio.sleep(self._look)
            late = self._overdue()
            self._late += late
            self._due = float("inf")
            noted(late)

    @contextlib.contextmanager
    def excusing(self, seconds: float, *timeouts: type[Exception]) -> Iterator[None]:
        """Around what may take so many `seconds`, and raises one of `timeouts` then. Raises Overloaded in its place
        when the loop was not there for most of the time."""
        began, late = self._clock(), self._total()
        try:
            yield
        except timeouts as exc:
            there = (self._clock() - began) - (self._total() - late)
            if there >= seconds * ATTENTIVE:
                raise
            raise Overloaded("This server has too much to do to open a connection in time.") from exc

    def _total(self) -> float:
        return self._late + self._overdue()

    def _overdue(self) -> float:
        return max(0.0, self._clock() - self._due)
