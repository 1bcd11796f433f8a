"""Settings that the client changes during a turn, and the position between two turns at which they apply.

The service accepts settings only once per session, before any audio. New settings therefore need a new session, and
ending a session cuts the current turn off. So an update waits for a position between two turns, the first of:

- the end of a turn that ends after the update;
- the beginning of a turn that begins after the update;
- the update itself, once the service must have processed all audio before it and has reported no speech in it.

At that position the service's session ends, and a new session with the new settings receives all later audio again.
Turns that the old session reports after the position are ignored, because the new session reports them too.
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
    """An update at `tick`. By the time `due`, the service must have processed the audio before it."""

    tick: int
    target: Target
    due: float | None = None


class SettingsSwitch:
    """The current settings, `target`, and the updates that wait for a position between two turns."""

    def __init__(
        self, target: Target, link: Link, binder: TurnBinder, replay: ReplayBuffer, limits: SessionLimits
    ) -> None:
        self.target = target
        self._updates: deque[_Pending] = deque()
        self._position: int | None = None
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
        """Add an update by the client at `tick`, which waits for a position between two turns."""
        self._updates.append(_Pending(tick, target))

    def use(self, target: Target) -> None:
        """Apply these settings to all later audio."""
        self.target = target

    def clear(self) -> None:
        """Discard all pending updates."""
        self._updates.clear()
        self._position = None

    def without(self, fields: frozenset[turns.Field]) -> None:
        """Remove these fields of a Setup from all settings, pending ones included."""
        self.target = self.target.without(fields)
        for update in self._updates:
            update.target = update.target.without(fields)

    def stamp(self, now: float) -> None:
        """Set the time at which pending updates apply at the latest. Call this after every event of the client.

        In a new session the time is later, because unanswered audio is sent again.
        """
        if not self._updates:
            return
        due = max(self._link.heard_by, now) + self._replay.unsent / TICKS + self._limits.settling
        for update in self._updates:
            if update.due is None or self._link.fresh:
                update.due = due

    def postpones(self, report: turns.TurnReport) -> bool:
        """Return whether to ignore a report, because its turn begins after the first update.

        The next session receives the audio of that turn again and reports it with the new settings.
        """
        if not self._yields or not isinstance(report, turns.Started) or report.at_ms is None or report.follows:
            return False
        start = self._link.timeline.reported(report.at_ms)
        if self._binder.knows(report.turn) or not self._updates or start < self._updates[0].tick:
            return False
        self._position = start if self._position is None else self._position
        self._binder.postpone()
        return True

    def next(self, now: float) -> Target | None:
        """Remove and return the pending settings that can apply now, or None."""
        if not (self._updates or self._binder.postponed) or not self._yields:
            return None
        position = self._find(now)
        if position is None:
            if self._binder.postponed and self._link.open:
                self._link.finish(now)  # so that earlier turns get their results soon
            return None
        if self._link.dialect.rules.lingers and not self._link.idle:
            self._finish(position, now)
            return None
        update = self._updates.popleft()
        while self._updates and self._updates[0].tick <= position:
            update = self._updates.popleft()
        self._position = None
        return None if update.target == self.target and not self._binder.ignoring else update.target

    def _finish(self, position: int, now: float) -> None:
        """Have the session finished, which may have more to say of turns before this position."""
        self._position = position
        self._binder.postpone()
        if self._link.open:
            self._link.finish(now)

    @property
    def deadline(self) -> float | None:
        """The time at which the service must have processed all audio before the first update, if known."""
        if not self._updates or not self._yields or not self._link.open or self._binder.unfinished:
            return None
        return self._updates[0].due if self._sent(self._updates[0].tick) else None

    @property
    def _yields(self) -> bool:
        """Whether pending settings apply between two turns that the service detects.

        If the client ends the turn, they wait for its commit instead, unless they enable turn detection.
        """
        detect = any(not update.target.by_hand for update in self._updates)
        return not self.target.by_hand or (self.target.joins and detect)

    def _find(self, now: float) -> int | None:
        """Return the position at which the settings can apply now, in ticks on the client's clock, or None."""
        if not self._updates or self._binder.speaking:
            return None
        if self._position is None and self._binder.heard_to >= self._updates[0].tick:
            self._position = self._binder.heard_to
            self._binder.postpone()
        if self._binder.unfinished:
            return None
        if self._position is not None:
            return self._position
        sent = [update for update in self._updates if self._sent(update.tick)]
        return max((update.tick for update in sent if self._link.idle or now >= (update.due or now)), default=None)

    def _sent(self, tick: int) -> bool:
        """Return whether all audio before this position was sent."""
        first = next((entry for entry in self._replay.future if isinstance(entry, AudioChunk)), None)
        return first is None or first.tick >= tick
