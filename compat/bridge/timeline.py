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

    def began(self, at_ms: int | None) -> int:
        """The caller's tick of something that began at a time in the service's session. Without a time, or past the
        end of what was sent: of that end."""
        return self._caller(self.sent if at_ms is None else at_ms * TICKS_A_MS)

    def told(self, at_ms: int) -> int:
        """Likewise, but past the end of what was sent as if the sound went on: a service may say too late a time for
        a beginning, and that it says of the same sound again."""
        at = at_ms * TICKS_A_MS
        return self._caller(min(at, self.sent)) + max(at - self.sent, 0)

    def ended(self, at_ms: int | None) -> int:
        """Likewise of an end, which is that of what was sent where that was rounded to whole milliseconds."""
        at = self.sent if at_ms is None else at_ms * TICKS_A_MS
        return self._caller(at if at <= self.sent - TICKS_A_MS else self.sent)

    def _caller(self, at: int) -> int:
        if not self._starts:
            return 0
        index = max(bisect_right(self._starts, at) - 1, 0)
        return self._callers[index] + min(max(at, 0) - self._starts[index], self._lengths[index])
