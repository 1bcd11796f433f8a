"""Event loop lag: measures how late the loop runs, so that its delays are not counted as failures of the service.

With hundreds of concurrent uploads, one iteration of the event loop can take seconds. A connect timeout includes these
seconds, although the connection may have been ready all along. In uvloop a timeout may even fire early: `time()` is
constant within an iteration, so the wait starts at the beginning of the iteration.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from compat.errors import Overloaded

INTERVAL = 0.2  # seconds
ATTENTIVE = 0.8  # share of a timeout during which the loop must have been responsive


class LoopLag:
    def __init__(self, clock: Callable[[], float] = time.monotonic, *, interval: float = INTERVAL) -> None:
        """`interval` is the sampling interval in seconds. It has to be much shorter than the timeouts passed to
        `translate_timeouts`."""
        self._clock = clock
        self._interval = interval
        self._late = 0.0
        self._due = float("inf")

    async def measure(self, on_sample: Callable[[float], object]) -> NoReturn:
        """Sample the lag until cancelled. `on_sample` is called with the seconds that each sample was late."""
        while True:
            self._due = self._clock() + self._interval
            await asyncio.sleep(self._interval)
            late = self._overdue()
            self._late += late
            self._due = float("inf")
            on_sample(late)

    @contextlib.contextmanager
    def translate_timeouts(self, seconds: float, *timeouts: type[Exception]) -> Iterator[None]:
        """Guard an operation that raises one of `timeouts` after `seconds`. Raises Overloaded instead if the loop was
        responsive for less than ATTENTIVE of that time."""
        began, late = self._clock(), self._total()
        try:
            yield
        except timeouts as exc:
            responsive = (self._clock() - began) - (self._total() - late)
            if responsive >= seconds * ATTENTIVE:
                raise
            raise Overloaded("This server is too busy to open a connection in time.") from exc

    def _total(self) -> float:
        return self._late + self._overdue()

    def _overdue(self) -> float:
        return max(0.0, self._clock() - self._due)
