"""A circuit breaker for each of the service's surfaces: after so many failures in a row nobody asks for a while, then
one call is let through to see.

    closed ──failures──▶ open ──pause──▶ half-open ──success──▶ closed
                          ▲                  │
                          └─────failure──────┘

Only what is the service's own failure counts: not a caller's bad audio or key, and not a rate that is used up. Pure:
the time comes in as an argument, in seconds.
"""

from __future__ import annotations

from typing import Literal

from compat.errors import CompatError, FileNotFetched, Overloaded, ServiceFailed, ServiceTimedOut, ServiceUnavailable

State = Literal["closed", "open", "half-open"]
BUSY = 1.0  # seconds after which to ask again while another's call finds out


class Breaker:
    def __init__(self, *, failures: int, pause: float) -> None:
        """Opens at so many `failures` in a row, for `pause` seconds."""
        self._most = failures
        self._pause = pause
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def enter(self, now: float) -> float:
        """0 when a call may go; it then has to be told of by `leave`. Else the seconds until it is worth asking."""
        if self._until is None:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._trying:
            return BUSY
        self._trying = True
        return 0.0

    def leave(self, now: float, outcome: BaseException | None) -> None:
        """How a call ended; what says nothing of the service, such as a caller who hung up, changes nothing."""
        trying, self._trying = self._trying, False
        if failed(outcome):
            self._failures += 1
            if trying or self._failures >= self._most:
                self._until = now + self._pause
        elif outcome is None or (isinstance(outcome, CompatError) and not isinstance(outcome, Overloaded)):
            self._failures, self._until = 0, None


def failed(outcome: BaseException | None) -> bool:
    """Whether the service itself failed."""
    broken = isinstance(outcome, ServiceFailed | ServiceUnavailable | ServiceTimedOut)
    return broken and not isinstance(outcome, FileNotFetched | Overloaded)
