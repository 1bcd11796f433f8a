"""A circuit breaker: refuses calls to a surface that fails repeatedly, until one call has succeeded again."""

from __future__ import annotations

from typing import Literal

from compat.errors import (
    CompatError,
    EngineMisconfigured,
    FileNotFetched,
    Overloaded,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)

State = Literal["closed", "open", "half-open"]
BUSY = 1.0  # `retry_after` in seconds while another call probes the service


class Breaker:
    """A circuit breaker. It opens after several failures in a row; after a pause one call probes the service.

        closed ──failures──▶ open ──pause──▶ half-open ──success──▶ closed
                              ▲                  │
                              └─────failure──────┘

    Only failures of the service count, not bad audio, a wrong key or an exceeded rate. Times are arguments, in seconds.
    """

    def __init__(self, *, failures: int, pause: float) -> None:
        """Open for `pause` seconds after `failures` in a row."""
        self._most = failures
        self._pause = pause
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether the breaker was open, or half open, when it was last used here."""
        return self._until is not None

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def enter(self, now: float) -> float:
        """Return 0 if a call may proceed; the caller then has to report its outcome to `leave`. Otherwise return the
        seconds until a retry makes sense."""
        if self._until is None:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._trying:
            return BUSY
        self._trying = True
        return 0.0

    def leave(self, now: float, outcome: BaseException | None) -> None:
        """Record the outcome of a call. An outcome that says nothing about the service, such as a cancellation, does
        not count."""
        trying, self._trying = self._trying, False
        if failed(outcome):
            self._failures += 1
            if trying or self._failures >= self._most:
                self._until = now + self._pause
        elif outcome is None or (isinstance(outcome, CompatError) and not isinstance(outcome, Overloaded)):
            self._failures, self._until = 0, None


def failed(outcome: BaseException | None) -> bool:
    """Return whether the outcome is a failure of the service."""
    broken = isinstance(outcome, ServiceFailed | ServiceUnavailable | ServiceTimedOut)
    return broken and not isinstance(outcome, EngineMisconfigured | FileNotFetched | Overloaded)
