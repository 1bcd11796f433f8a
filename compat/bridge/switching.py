"""Applies pending settings as soon as there is a place for them between two turns."""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.limits import SessionLimits
from compat.bridge.link import Link
from compat.bridge.pending import PendingSettings
from compat.bridge.replay import ReplayBuffer
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live import turns


class SettingsSwitch:
    def __init__(
        self,
        pending: PendingSettings,
        caller: CallerSide,
        link: Link,
        binder: TurnBinder,
        replay: ReplayBuffer,
        limits: SessionLimits,
    ) -> None:
        self._pending = pending
        self._caller = caller
        self._link = link
        self._binder = binder
        self._replay = replay
        self._limits = limits

    def postpones(self, report: turns.TurnReport) -> bool:
        """Whether to ignore this report, because the next session hears the turn again, with other settings."""
        return self._caller.yields and self._pending.begins(report, self._binder, self._link)

    def stamp(self, now: float) -> None:
        """Set when pending settings apply at the latest: call it after every event of the client."""
        self._pending.stamp(self._link, self._replay, self._limits, now)

    def look(self, now: float) -> None:
        """Apply pending settings if there is a place for them now."""
        if not self._caller.yields:
            return
        place = self._pending.place(self._binder, self._link, self._replay, now)
        if place is None:
            if self._binder.again and self._link.open:
                self._link.finish(now)  # so that the turns before are answered soon
            return
        target = self._pending.take(place)
        if target == self._caller.target and not self._binder.deaf:
            return
        self._link.renew(self._caller.takeable(target).setup, now)
        self._caller.renew(target)
        self.stamp(now)

    @property
    def deadline(self) -> float | None:
        if not self._caller.yields:
            return None
        return self._pending.deadline(self._binder, self._link, self._replay)
