"""Maps the service's time to the client's clock, for one session of the service.

The service counts the sound that it was sent in this session. That may begin late, leave out what was answered before,
and contain silence that the client never sent. Both clocks are in ticks.
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
        """The client's sound from `tick` on was sent. Sound that continues the stretch before takes no memory."""
        if self._starts and self._lengths[-1] and self._callers[-1] + self._lengths[-1] == tick:
            self._lengths[-1] += ticks
        else:
            self._begin(tick, ticks)
        self.sent += ticks

    def silence(self, tick: int, ticks: int) -> None:
        """Silence was sent that the client never appended: it takes no time on the client's clock."""
        self._begin(tick, 0)
        self.sent += ticks

    def _begin(self, tick: int, length: int) -> None:
        self._starts.append(self.sent)
        self._callers.append(tick)
        self._lengths.append(length)

    def began(self, at_ms: int | None) -> int:
        """The client's tick of a beginning at this time in the service's session. No time, or a time past the end of
        what was sent, is that end."""
        return self._caller(self.sent if at_ms is None else at_ms * TICKS_A_MS)

    def reported(self, at_ms: int) -> int:
        """The same, but a time past the end of what was sent counts as if the sound went on. A service may report too
        late a time for a beginning, and reports the same one when it hears the sound again."""
        at = at_ms * TICKS_A_MS
        return self._caller(min(at, self.sent)) + max(at - self.sent, 0)

    def ended(self, at_ms: int | None) -> int:
        """The client's tick of an end. Within the last millisecond: of the end of what was sent."""
        at = self.sent if at_ms is None else at_ms * TICKS_A_MS
        return self._caller(at if at <= self.sent - TICKS_A_MS else self.sent)

    def _caller(self, at: int) -> int:
        if not self._starts:
            return 0
        index = max(bisect_right(self._starts, at) - 1, 0)
        return self._callers[index] + min(max(at, 0) - self._starts[index], self._lengths[index])
