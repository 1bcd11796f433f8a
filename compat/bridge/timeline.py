"""Where the service's time is on the caller's clock, for one session of the service.

The service counts the sound it was sent; that may begin late, leave out what was answered before, and hold silence of
our own. Both clocks in ticks.
"""

from __future__ import annotations

from bisect import bisect_right

from compat.bridge.limits import TICKS_A_MS


class Timeline:
    def __init__(self) -> None:
        self.sent = 0
        self._starts: list[int] = []
        self._callers: list[int] = []
        self._lengths: list[int] = []

    def sound(self, tick: int, ticks: int) -> None:
        """The caller's sound from `tick` on was sent. What continues the stretch before costs no memory."""
        if self._starts and self._lengths[-1] and self._callers[-1] + self._lengths[-1] == tick:
            self._lengths[-1] += ticks
        else:
            self._begin(tick, ticks)
        self.sent += ticks

    def silence(self, tick: int, ticks: int) -> None:
        """Silence was sent that the caller never appended: on the caller's clock it takes no time."""
        self._begin(tick, 0)
        self.sent += ticks

    def _begin(self, tick: int, length: int) -> None:
        self._starts.append(self.sent)
        self._callers.append(tick)
        self._lengths.append(length)

    def caller(self, at_ms: int | None) -> int:
        """The caller's tick of a time in the service's session. Without a time, past the end, or where the end of what
        was sent is rounded to whole milliseconds: of that end."""
        if not self._starts:
            return 0
        at = self.sent if at_ms is None else max(at_ms, 0) * TICKS_A_MS
        if at > self.sent - TICKS_A_MS:
            at = self.sent
        index = max(bisect_right(self._starts, at) - 1, 0)
        return self._callers[index] + min(at - self._starts[index], self._lengths[index])
