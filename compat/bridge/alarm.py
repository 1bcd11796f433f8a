"""When to wake the machine: its earliest deadline, returned once."""

from __future__ import annotations

from collections.abc import Iterable

from compat.bridge.actions import Wake
from compat.bridge.outbox import Outbox


class Alarm:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._at: float | None = None

    def rang(self) -> None:
        self._at = None

    def set(self, deadlines: Iterable[float | None]) -> None:
        """None is no deadline. A deadline later than the one returned last is only returned after it."""
        at = min((at for at in (self._at, *deadlines) if at is not None), default=None)
        if at is not None and at != self._at:
            self._at = at
            self._outbox.act(Wake(at))
