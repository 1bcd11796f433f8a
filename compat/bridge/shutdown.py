"""Why and how a session ends: the server stops, the client asks for it, or the session has reached its maximum duration
or its bound of sound.

`begin` starts a grace period. The session ends as soon as nothing is open; sound in which the service may still report
speech counts as open until it must have heard it. At the end of the grace, open turns are ended as by a commit of the
client, and no more of its events are handled. The service then has `SessionLimits.parting` seconds to answer, and what
has no answer by then fails. At the bound of sound, or if the client ends the session, open turns are ended at once, and
the grace is `SessionLimits.patience`, and as much longer as a service that works in real time needs to hear the sound.
`Bridge._leave` drives these steps.
"""

from __future__ import annotations

from compat.bridge.actions import Hangup
from compat.bridge.caller import CallerSide
from compat.bridge.items import ItemEvents
from compat.bridge.limits import REASON, TICKS, SessionLimits
from compat.bridge.link import Link
from compat.bridge.outbox import Outbox
from compat.bridge.replay import ReplayBuffer
from compat.bridge.turns import TurnBinder
from compat.errors import BadRequest, CompatError, ServiceTimedOut, ServiceUnavailable

_ENDED = ServiceTimedOut("The speech service did not answer before the session ended.")
"""The client ends the session: what this says is true of what has no answer then."""


class Shutdown:
    """`until`: the deadline for open turns and commits, None before `begin`. `listening`: whether events of the client
    are still handled."""

    def __init__(
        self,
        items: ItemEvents,
        binder: TurnBinder,
        replay: ReplayBuffer,
        caller: CallerSide,
        link: Link,
        limits: SessionLimits,
        outbox: Outbox,
    ) -> None:
        self.until: float | None = None
        self.listening = True
        self.reason: CompatError = ServiceUnavailable("The server is shutting down.")
        self.bound: CompatError = self.reason
        """The reason to end when the client sends more sound than it may."""
        self._items = items
        self._binder = binder
        self._replay = replay
        self._caller = caller
        self._link = link
        self._limits = limits
        self._outbox = outbox
        self._ends_at: float | None = None
        self._heard_at = 0.0
        self._patience = 0.0
        self._told = 0

    def start(self, now: float) -> None:
        self._ends_at = now + self._limits.longest if self._limits.longest else None

    def begin(self, grace: float, now: float, reason: CompatError | None = None, patience: float = 0.0) -> None:
        """`patience`: the grace lasts at least until the client has got nothing new for so long."""
        self.reason = reason or self.reason
        self.until, self._patience = now + grace, patience
        self._heard_at = max(self._link.heard_by, now) + self._replay.unsent / TICKS + self._limits.settling

    def look(self, now: float) -> None:
        if self.until is None and (self._caller.spent or self._caller.leaving):
            reason = _ENDED if self._caller.leaving else self.bound
            behind = max(self._link.heard_by - now, 0.0) + self._replay.unsent / TICKS
            patience = max(self._limits.grace, self._limits.patience)
            self.begin(patience + behind, now, reason, patience)
            self._stop_listening(now)
        elif self.until is None and self._ends_at is not None and now >= self._ends_at:
            expired = "The session has reached its maximum duration: open a new one."
            self.begin(self._limits.grace, now, BadRequest(expired, code="session_expired"))

    def advance(self, now: float) -> bool:
        """End what is open, if it is time. True if the time for answers is over too."""
        if self.until is not None and self._told != self._outbox.told:
            self._told = self._outbox.told
            self.until = max(self.until, now + self._patience)
        late = self.until is not None and now >= self.until
        if late and self._stop_listening(now):
            self.until = now + self._limits.parting
            return False
        if not late and self.quiet(now):
            self._stop_listening(now)
        return late

    @property
    def busy(self) -> bool:
        return bool(
            self._outbox.face.busy
            or self._items.open
            or self._binder.speaking
            or self._replay.future
            or self._caller.turn_open
        )

    def quiet(self, now: float) -> bool:
        """Whether nothing is open, and no speech can have begun that is not reported yet."""
        return not self.busy and (now >= self._heard_at or not self._link.may_report(now))

    def _stop_listening(self, now: float) -> bool:
        """Handle no more events of the client, and end what is open. True if something was."""
        if not self.listening:
            return False
        self.listening = False
        unended = (
            self._caller.turn_open or self._binder.speaking or bool(self._replay.future) or self._link.may_report(now)
        )
        if unended:
            self._caller.end_session()
        return unended

    @property
    def hangup(self) -> Hangup:
        """How to close the client's connection."""
        if self.reason is _ENDED:
            return Hangup(1000, "")
        return Hangup(1001, self.reason.message.encode()[:REASON].decode(errors="ignore"))

    def explains(self, *, late: bool) -> bool:
        """Whether the client gets the reason as an error. `late`: something has no answer."""
        explained = ("session_expired", "insufficient_quota", "invalid_api_key")
        return self.reason.code in explained or (late and self.reason is _ENDED)

    @property
    def deadline(self) -> float | None:
        if self.until is None:
            return self._ends_at
        return self.until if self.busy or not self.listening else min(self.until, self._heard_at)
