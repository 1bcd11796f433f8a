"""Silence for a service that hears the end of a sentence only if something follows it.

A client that stops sending sound, as some do in pauses, would wait for the end of its last sentence. So silence follows
what it sent, as fast as time passes, for as long as the protocol says (`Rules.fill`).
"""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.link import Link
from compat.bridge.replay import ReplayBuffer

_STEP = 0.5
"""Seconds without sound before the first silence, and of every silence."""


class Filling:
    def __init__(self, link: Link, replay: ReplayBuffer, caller: CallerSide) -> None:
        self._link = link
        self._replay = replay
        self._caller = caller
        self._left = 0.0
        self._due = 0.0

    def sounded(self, now: float) -> None:
        """The client sent sound."""
        if fill := self._link.dialect.rules.fill:
            self._left, self._due = fill, now + _STEP

    @property
    def deadline(self) -> float | None:
        waiting = self._left > 0 and self._link.open and not self._replay.future
        return self._due if waiting else None

    def tick(self, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self._caller.fill(_STEP)
            self._left -= _STEP
            self._due = now + _STEP
