"""Applies waiting settings as soon as there is a place for them between two turns."""

from __future__ import annotations

from compat.bridge.caller import Caller
from compat.bridge.hearing import Hearing
from compat.bridge.held import Held
from compat.bridge.limits import Limits
from compat.bridge.line import Line
from compat.bridge.tape import Tape
from compat.dashscope_api.realtime import turns


class Renewal:
    def __init__(self, held: Held, caller: Caller, line: Line, hearing: Hearing, tape: Tape, limits: Limits) -> None:
        self._held = held
        self._caller = caller
        self._line = line
        self._hearing = hearing
        self._tape = tape
        self._limits = limits

    def postpones(self, report: turns.TurnReport) -> bool:
        """Whether this is about a turn that the next session of the service hears again, under other settings."""
        return self._caller.yields and self._held.begins(report, self._hearing, self._line)

    def stamp(self, now: float) -> None:
        """The caller may have changed its settings."""
        self._held.stamp(self._line, self._tape, self._limits, now)

    def look(self, now: float) -> None:
        if not self._caller.yields:
            return
        place = self._held.place(self._hearing, self._line, self._tape, now)
        if place is None:
            if self._hearing.again and self._line.open:
                self._line.finish(now)  # so that the turns before are answered soon
            return
        target = self._held.take(place)
        if target == self._caller.target and not self._hearing.deaf:
            return
        self._line.renew(self._caller.takeable(target).setup, now)
        self._caller.renew(target)
        self.stamp(now)

    @property
    def deadline(self) -> float | None:
        if not self._caller.yields:
            return None
        return self._held.deadline(self._hearing, self._line, self._tape)
