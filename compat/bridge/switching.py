"""Settings that the client changes while speech is open, and the place between two turns where they apply.

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


class SettingsSwitch:
    """`target`: the settings for sound from here on, except updates that wait."""

    def __init__(
        self, target: Target, link: Link, binder: TurnBinder, replay: ReplayBuffer, limits: SessionLimits
    ) -> None:
        self.target = target
        self._updates: deque[_Pending] = deque()
        self._place: int | None = None
        self._link = link
        self._binder = binder
        self._replay = replay
        self._limits = limits

    @property
    def last(self) -> Target:
        """The settings of the last update, pending or not."""
        return self._updates[-1].target if self._updates else self.target

    @property
    def waits(self) -> bool:
        """Whether an update is pending."""
        return bool(self._updates)

    def postpone(self, tick: int, target: Target) -> None:
        """The client changed the settings here; they wait for a place between two turns."""
        self._updates.append(_Pending(tick, target))

    def use(self, target: Target) -> None:
        """Use these settings from here on."""
        self.target = target

    def clear(self) -> None:
        """Forget what is pending."""
        self._updates.clear()
        self._place = None

    def without(self, fields: frozenset[str]) -> None:
        """Leave these fields of a Setup out of all settings."""
        self.target = self.target.without(fields)
        for update in self._updates:
            update.target = update.target.without(fields)

    def stamp(self, now: float) -> None:
        """Set when pending settings apply at the latest: call it after every event of the client. In a new session,
        which hears again what is not answered, that is later."""
        due = max(self._link.heard_by, now) + self._replay.unsent / TICKS + self._limits.settling
        for update in self._updates:
            if update.due is None or self._link.fresh:
                update.due = due

    def postpones(self, report: turns.TurnReport) -> bool:
        """Whether to ignore this report: the turn begins after the first update, so the next session hears it again,
        with the new settings."""
        if not self._yields or not isinstance(report, turns.Started) or report.at_ms is None:
            return False
        start = self._link.timeline.reported(report.at_ms)
        if self._binder.knows(report.turn) or not self._updates or start < self._updates[0].tick:
            return False
        self._place = start if self._place is None else self._place
        self._binder.postpone()
        return True

    def next(self, now: float) -> Target | None:
        """Remove and return the pending settings that there is a place for now, None if there are none."""
        if not self._yields:
            return None
        place = self._find(now)
        if place is None:
            if self._binder.postponed and self._link.open:
                self._link.finish(now)  # so that the turns before are answered soon
            return None
        taken = self._updates.popleft()
        while self._updates and self._updates[0].tick <= place:
            taken = self._updates.popleft()
        self._place = None
        return None if taken.target == self.target and not self._binder.ignoring else taken.target

    @property
    def deadline(self) -> float | None:
        """When the service will have heard all sound before the first update."""
        if not self._yields or not self._updates or not self._link.open or self._binder.unfinished:
            return None
        return self._updates[0].due if self._sent(self._updates[0].tick) else None

    @property
    def _yields(self) -> bool:
        """Whether pending settings apply at the next place between two turns that the service detects. If the client
        ends the turn, they wait for its commit instead, unless they have the service detect turns."""
        detect = any(not update.target.by_hand for update in self._updates)
        return not self.target.by_hand or (self.target.joins and detect)

    def _find(self, now: float) -> int | None:
        """Where the settings can apply now, in ticks on the client's clock; None if there is no place yet."""
        if not self._updates or self._binder.speaking:
            return None
        if self._place is None and self._binder.heard_to >= self._updates[0].tick:
            self._place = self._binder.heard_to
            self._binder.postpone()
        if self._binder.unfinished:
            return None
        if self._place is not None:
            return self._place
        sent = [update for update in self._updates if self._sent(update.tick)]
        return max((update.tick for update in sent if self._link.idle or now >= (update.due or now)), default=None)

    def _sent(self, tick: int) -> bool:
        """Whether all sound before this position was sent."""
        first = next((entry for entry in self._replay.future if isinstance(entry, AudioChunk)), None)
        return first is None or first.tick >= tick
