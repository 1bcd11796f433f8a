"""How long a session of the service lasts, where its protocol sets bounds.

A session that gets no sound for a while fails, and one that is very long outgrows the model's context window.
"""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.limits import TICKS
from compat.bridge.link import Link
from compat.bridge.states import LinkState
from compat.bridge.turns import TurnBinder
from compat.errors import ClosedNormally, CompatError


class Lifespan:
    """Ends sessions in time. Nothing is lost: unanswered sound is sent again to the next session."""

    def __init__(self, link: Link, binder: TurnBinder, caller: CallerSide) -> None:
        self._link = link
        self._binder = binder
        self._caller = caller

    @property
    def deadline(self) -> float | None:
        """When the session has had no sound for as long as the protocol allows."""
        idle = self._link.dialect.rules.idle
        return None if idle is None or self._link.starved_since is None else self._link.starved_since + idle

    def tick(self, now: float) -> None:
        """End a session that gets no sound."""
        if self.deadline is not None and now >= self.deadline and not self._caller.pause():
            self._link.finish(now)

    def ended(self, error: CompatError, now: float) -> bool:
        """Whether the service has ended a session as it was asked to, and says so by closing the connection only. Sound
        that it may have left without an answer is sent again once."""
        finishing = isinstance(error, ClosedNormally) and self._link.state is LinkState.FINISHING
        return finishing and (self._link.attempts > 0 or not (self._link.awaiting or self._link.may_report(now)))

    def answered(self, now: float) -> None:
        """The service has said something. End a long session between two turns."""
        if self._long and self._link.open and self._binder.detecting and not self._binder.unfinished:
            self._binder.postpone()
            self._link.finish(now)

    @property
    def _long(self) -> bool:
        rules, dialect = self._link.dialect.rules, self._link.dialect
        long = rules.longest is not None and self._link.timeline.sent > rules.longest * TICKS
        return long or (rules.tokens is not None and dialect.spent > rules.tokens)
