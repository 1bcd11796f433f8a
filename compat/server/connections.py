"""Bounds open connections: a total, and half of it for one address. Beyond that the oldest idle connection is closed.
If none is idle, a few more are accepted so that health checks are answered; their other requests are refused.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from compat.config.networks import address, household
from compat.upstream.shares import Shares

SPARE: Final = 32  # connections beyond the bound, for health checks
YOUNG: Final = 1.0  # seconds after which an idle connection yields: before that it may be about to ask
USUAL: Final = 4096
OWN: Final = 64  # files that the server needs for itself
MEMORY: Final = 1 << 30
ENOUGH: Final = 16_384  # files that it asks the system for


@dataclass(eq=False, slots=True)
class ConnectionSlot:
    """One connection. `crowd`: the address it shares a bound with; None beyond the bound. `end` aborts it."""

    crowd: str | None
    end: Callable[[], None]
    idle_since: float

    @property
    def surplus(self) -> bool:
        return self.crowd is None


class Connections:
    """`spared` says which addresses may open all connections: those of trusted proxies. `memory`: that of long
    live messages, where the application has none of its own."""

    def __init__(
        self, most: int = USUAL, spared: Callable[[str], bool] = lambda _: False, memory: int = MEMORY
    ) -> None:
        self.memory = Shares(memory)
        self._most = most
        self._share = max(1, most // 2)
        self._spared = spared
        self._open: set[ConnectionSlot] = set()
        self._count: Counter[str | None] = Counter()
        self._idle: dict[str | None, dict[ConnectionSlot, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, host: str, end: Callable[[], None], now: float) -> ConnectionSlot:
        """A place for a connection from `host`, which is idle until a request has come."""
        found = address(host)
        crowd: str | None = household(found) if found else host
        if not self._has_room(crowd, host, now):
            crowd = None
            if self._count[None] >= SPARE:
                self._cut(next(iter(self._idle.get(None, ())), None) or self._any_surplus())
        place = ConnectionSlot(crowd, end, now)
        self._open.add(place)
        self._count[crowd] += 1
        self.idle(place, now)
        return place

    def idle(self, place: ConnectionSlot, now: float) -> None:
        waiting = self._idle.setdefault(place.crowd, {})
        if place in self._open and place not in waiting:
            place.idle_since = now
            waiting[place] = None

    def busy(self, place: ConnectionSlot) -> None:
        if place.crowd in self._idle:
            self._idle[place.crowd].pop(place, None)

    def leave(self, place: ConnectionSlot) -> None:
        if place not in self._open:
            return
        self.busy(place)
        self._open.remove(place)
        self._count[place.crowd] -= 1
        if not self._count[place.crowd]:
            del self._count[place.crowd]
            self._idle.pop(place.crowd, None)

    def _has_room(self, crowd: str | None, host: str, now: float) -> bool:
        """Whether there is room, after closing an idle connection if necessary."""
        if self._count[crowd] >= self._share and not self._spared(host):
            return self._yields([crowd], now)
        if len(self._open) - self._count[None] < self._most:
            return True
        return self._yields([name for name, _ in self._count.most_common() if name is not None], now)

    def _yields(self, crowds: list[str | None], now: float) -> bool:
        for crowd in crowds:
            oldest = next(iter(self._idle.get(crowd, ())), None)
            if oldest is not None and now - oldest.idle_since >= YOUNG:
                self._cut(oldest)
                return True
        return False

    def _any_surplus(self) -> ConnectionSlot:
        return next(place for place in self._open if place.surplus)

    def _cut(self, place: ConnectionSlot) -> None:
        self.leave(place)
        place.end()


def fitting(most: int, *bounds: int) -> list[int]:
    """Bounds on work that holds connections, in proportion, so that all of it together needs at most `most`: a caller
    that has used up its share of them leaves connections for others."""
    return [max(1, min(bound, most * bound // sum(bounds))) for bound in bounds]


def room() -> int:
    """The most connections for which files are left: each may need another, for an upload or a call to the service."""
    if sys.platform == "win32":
        return USUAL
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max(1, min(USUAL, (files - OWN) // 2))
