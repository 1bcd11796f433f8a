"""Settings that the client changed while speech was open, and the place between two turns where they apply.

The service accepts settings once in a session, before sound. New settings need a new session, and ending a session cuts
the turn that is open. So an update waits for a place between two turns, which is the first of these:

- the end of a turn that ends after the update;
- the beginning of a turn that begins after the update;
- the update itself, once the service must have heard all sound before it and has reported no speech in it.

At that place the service's session is ended, and a new one with the new settings gets all sound from there on again. A
turn that the old session reports after the place is ignored, as the new session reports it too.
"""

from __future__ import annotations

from collections import deque

import msgspec

from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.link import Link
from compat.bridge.replay import AudioChunk, ReplayBuffer
from compat.bridge.settings import Target
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live import turns


class _Pending(msgspec.Struct):
    """`tick`: where the update came. `due`: when the service must have heard the sound before it."""

    tick: int
    target: Target
    due: float | None = None


class PendingSettings:
    def __init__(self) -> None:
        self._updates: deque[_Pending] = deque()
        self._place: int | None = None

    @property
    def last(self) -> Target | None:
        return self._updates[-1].target if self._updates else None

    @property
    def detect(self) -> bool:
        """Whether any of them has the service detect turns."""
        return any(not update.target.by_hand for update in self._updates)

    def add(self, tick: int, target: Target) -> None:
        self._updates.append(_Pending(tick, target))

    def clear(self) -> None:
        self._updates.clear()
        self._place = None

    def without(self, fields: frozenset[str]) -> None:
        for update in self._updates:
            update.target = update.target.without(fields)

    def stamp(self, link: Link, replay: ReplayBuffer, limits: SessionLimits, now: float) -> None:
        """Set `due` of new updates, and of all in a new session, which hears again what is not answered."""
        due = max(link.heard_by, now) + replay.unsent / TICKS + limits.settling
        for update in self._updates:
            if update.due is None or link.fresh:
                update.due = due

    def begins(self, report: turns.TurnReport, binder: TurnBinder, link: Link) -> bool:
        """Whether this turn begins after the first update, at the place, so that the next session reports it."""
        if not isinstance(report, turns.Started) or report.at_ms is None or binder.knows(report.turn):
            return False
        start = link.timeline.reported(report.at_ms)
        if not self._updates or start < self._updates[0].tick:
            return False
        self._place = start if self._place is None else self._place
        binder.postpone()
        return True

    def place(self, binder: TurnBinder, link: Link, replay: ReplayBuffer, now: float) -> int | None:
        """Where the settings can apply now, in ticks on the client's clock; None if there is no place yet."""
        if not self._updates or binder.speaking:
            return None
        first = self._updates[0]
        if self._place is None and binder.heard_to >= first.tick:
            self._place = binder.heard_to
            binder.postpone()
        if binder.unfinished:
            return None
        if self._place is not None:
            return self._place
        quiet = [u.tick for u in self._updates if _sent(replay, u.tick) and (link.idle or now >= (u.due or now))]
        return max(quiet, default=None)

    def deadline(self, binder: TurnBinder, link: Link, replay: ReplayBuffer) -> float | None:
        """When the service will have heard all sound before the first update."""
        waits = self._updates and link.open and not binder.unfinished and _sent(replay, self._updates[0].tick)
        return self._updates[0].due if waits else None

    def take(self, place: int) -> Target:
        """Remove and return the last settings before this place."""
        taken = self._updates.popleft()
        while self._updates and self._updates[0].tick <= place:
            taken = self._updates.popleft()
        self._place = None
        return taken.target


def _sent(replay: ReplayBuffer, tick: int) -> bool:
    """Whether all sound before this position was sent."""
    first = next((entry for entry in replay.future if isinstance(entry, AudioChunk)), None)
    return first is None or first.tick >= tick
