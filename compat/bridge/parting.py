"""When a session has to end, and why: the server stops, or the session has lasted as long as one may."""

from __future__ import annotations

from compat.bridge.limits import Limits
from compat.errors import BadRequest, CompatError, ServiceUnavailable


class Parting:
    """`until`: when what is under way has to be over, None while nothing ends. `listening`: whether the caller's events
    are still taken."""

    def __init__(self, limits: Limits) -> None:
        self.until: float | None = None
        self.listening = True
        self.reason: CompatError = ServiceUnavailable("The server is shutting down.")
        self._limits = limits
        self._ends_at: float | None = None

    def start(self, now: float) -> None:
        self._ends_at = now + self._limits.longest if self._limits.longest else None

    def begin(self, grace: float, now: float) -> None:
        self.until = now + grace

    def look(self, now: float) -> None:
        if self.until is None and self._ends_at is not None and now >= self._ends_at:
            self.reason = BadRequest("The session has lasted as long as one may.", code="session_expired")
            self.begin(self._limits.grace, now)

    def late(self, now: float) -> bool:
        return self.until is not None and now >= self.until

    def answer_by(self, now: float) -> None:
        """What was open at the end of the grace was ended: the service gets a moment to answer it."""
        self.until = now + self._limits.parting

    @property
    def expired(self) -> bool:
        return self.reason.code == "session_expired"

    @property
    def deadline(self) -> float | None:
        return self._ends_at if self.until is None else self.until
