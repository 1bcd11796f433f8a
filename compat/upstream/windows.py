"""Rate limits of one process: sliding windows in memory.

The clock is monotonic. If a wall clock were set back by an hour, earlier calls would block a rate for an hour. The
package `limits`, which keeps the windows in Redis, uses the wall clock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from compat.catalogue.rates import Rate

KNOWN = 1000  # number of windows above which empty ones are removed


class Windows:
    """The recent calls for each name. `clock` returns seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[tuple[Rate, tuple[str, ...]], deque[float]] = {}
        self._most = KNOWN

    def __len__(self) -> int:
        return len(self._calls)

    def spend(self, rate: Rate, *names: str) -> bool:
        """Count one call if the rate allows it now, and return whether it did."""
        if self.left(rate, *names)[0] == 0:
            return False
        if len(self._calls) >= self._most:
            self._clean()
        self._calls.setdefault((rate, names), deque()).append(self._clock())
        return True

    def left(self, rate: Rate, *names: str) -> tuple[int, float]:
        """Return the number of calls left, and the seconds until the next one becomes free."""
        calls, now = self._calls.get((rate, names)), self._clock()
        while calls and calls[0] <= now - rate.seconds:
            calls.popleft()
        return rate.calls - len(calls or ()), calls[0] + rate.seconds - now if calls else 0.0

    def _clean(self) -> None:
        now = self._clock()
        self._calls = {of: calls for of, calls in self._calls.items() if calls and calls[-1] > now - of[0].seconds}
        self._most = max(KNOWN, 2 * len(self._calls))  # so that cleaning does not take longer than counting
