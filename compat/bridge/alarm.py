"""When the bridge has to be woken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from compat.bridge.actions import Wake
from compat.bridge.outbox import Outbox


class Due(Protocol):
    @property
    def deadline(self) -> float | None:
        """When something is due, as things are now. None if nothing is."""


class Alarm:
    """Asks for a `Wake` at the earliest deadline of `parts`, once.

    Sound comes many times a second and moves deadlines by as little as it lasts. So while only sound comes, they are
    looked at once in `glance` seconds, or when the alarm rings because no more of it came.
    """

    def __init__(self, outbox: Outbox, parts: Iterable[Due], glance: float) -> None:
        self._outbox = outbox
        self._parts = tuple(parts)
        self._glance = glance
        self._at: float | None = None
        self.looked_at = 0.0

    def fired(self) -> None:
        self._at = None

    def look(self, now: float) -> None:
        """Look at all deadlines."""
        self.looked_at, earliest = now, self._at
        for part in self._parts:
            deadline = part.deadline
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        if earliest is not None:
            self.by(earliest)

    def later(self, now: float) -> bool:
        """Whether `look` can wait, although sound came. If so, the alarm rings soon."""
        wait = now < self.looked_at + self._glance
        if wait and (self._at is None or self._at > self.looked_at + 2 * self._glance):
            self.by(self.looked_at + 2 * self._glance)
        return wait

    def by(self, deadline: float) -> None:
        """Ask for a `Wake` at this time, unless one is due sooner."""
        if self._at is None or deadline < self._at:
            self._at = deadline
            self._outbox.act(Wake(deadline))
