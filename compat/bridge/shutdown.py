"""When a session ends, and why: the server stops, or the session has reached its maximum duration."""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.items import ItemEvents
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.link import Link
from compat.bridge.replay import ReplayBuffer
from compat.bridge.turns import TurnBinder
from compat.errors import BadRequest, CompatError, ServiceUnavailable


class Shutdown:
    """`until`: the deadline for open turns and commits, None while the session goes on. `listening`: whether events of
    the caller are still taken; with nothing open, until the service must have heard what was sent before."""

    def __init__(
        self,
        items: ItemEvents,
        binder: TurnBinder,
        replay: ReplayBuffer,
        caller: CallerSide,
        link: Link,
        limits: SessionLimits,
    ) -> None:
        self.until: float | None = None
        self.listening = True
        self.reason: CompatError = ServiceUnavailable("The server is shutting down.")
        self._items = items
        self._binder = binder
        self._replay = replay
        self._caller = caller
        self._link = link
        self._limits = limits
        self._ends_at: float | None = None
        self._heard_at = 0.0

    def start(self, now: float) -> None:
        self._ends_at = now + self._limits.longest if self._limits.longest else None

    def begin(self, grace: float, now: float, reason: CompatError | None = None) -> None:
        self.reason = reason or self.reason
        self.until = now + grace
        self._heard_at = max(self._link.heard_by, now) + self._replay.unsent / TICKS + self._limits.settling

    def look(self, now: float) -> None:
        if self.until is None and self._ends_at is not None and now >= self._ends_at:
            expired = "The session has reached its maximum duration: open a new one."
            self.begin(self._limits.grace, now, BadRequest(expired, code="session_expired"))

    def late(self, now: float) -> bool:
        return self.until is not None and now >= self.until

    @property
    def busy(self) -> bool:
        return bool(self._items.open or self._binder.speaking or self._replay.future or self._caller.holding)

    def quiet(self, now: float) -> bool:
        """Whether nothing is under way, nor may have begun before the end."""
        return not self.busy and (now >= self._heard_at or not self._link.hears(now))

    def hush(self, now: float) -> bool:
        """Take nothing more from the caller, and end what is open. True where there was something to end."""
        if not self.listening:
            return False
        self.listening = False
        unended = self._caller.holding or self._binder.speaking or bool(self._replay.future) or self._link.hears(now)
        if unended:
            self._caller.part()
        return unended

    def answer_by(self, now: float) -> None:
        """What was open at the end of the grace was ended: the service gets a moment to answer it."""
        self.until = now + self._limits.parting

    @property
    def expired(self) -> bool:
        return self.reason.code == "session_expired"

    @property
    def deadline(self) -> float | None:
        if self.until is None:
            return self._ends_at
        return self.until if self.busy or not self.listening else min(self.until, self._heard_at)
