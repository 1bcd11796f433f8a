"""Shares of a bounded resource: a party may hold as much as is still free, so that there is always room for one more.
A party that takes all it can holds a half, two such hold a third each, and so on. Parties with unproven names hold at
most three quarters together. Pure: no clock, no loop."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar

import msgspec

from compat.errors import Overloaded


class Party(msgspec.Struct, frozen=True):
    """On whose behalf work is done. `concurrency`: how many of its calls to the service may be under way, where the
    operator has set one. `alone`: there is no other party, so nothing is kept free. `known`: whether its name is
    proven, not one that a client may invent."""

    name: str = "anyone"
    concurrency: int | None = None
    alone: bool = True
    known: bool = True


ON_BEHALF: ContextVar[Party] = ContextVar("on_behalf", default=Party())  # noqa: B039 - frozen
"""Follows a request into every task that it starts, as a trace would."""


class Shares:
    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._held: Counter[str] = Counter()
        self._strangers = 0

    def held(self, party: Party) -> int:
        return self._held[party.name]

    def room(self, party: Party) -> int:
        """How much more this party may take now."""
        free = self.total - self.used
        room = free if party.alone else (free - self._held[party.name] + 1) // 2
        if not party.known:
            room = min(room, self.total - self.total // 4 - self._strangers)
        return max(0, room)

    def most(self, party: Party) -> int:
        """How much it could hold if no other party held anything."""
        return self.total if party.alone else (self.total + 1) // 2

    def take(self, party: Party, amount: int = 1) -> bool:
        """Take this much if there is room, and return whether there was."""
        if amount > self.room(party):
            return False
        self.give(party, -amount)
        return True

    def give(self, party: Party, amount: int = 1) -> None:
        """Gives back what was taken."""
        self.used -= amount
        self._strangers -= 0 if party.known else amount
        self._held[party.name] -= amount
        if not self._held[party.name]:
            del self._held[party.name]


class Holding:
    """What one holder has of them, in steps. Its first step is free: small holders depend on nobody."""

    def __init__(self, shares: Shares, step: int, party: Party | None = None) -> None:
        self.party = party or Party()
        self.taken = 0
        self._shares = shares
        self._step = step

    def fits(self, size: int) -> bool:
        """Take or give back what a holding of this size needs, and return whether there was room."""
        wanted = max(0, -(-size // self._step) - 1) * self._step
        if wanted > self.taken and not self._shares.take(self.party, wanted - self.taken):
            return False
        if wanted < self.taken:
            self._shares.give(self.party, self.taken - wanted)
        self.taken = wanted
        return True


def overloaded(what: str, shares: Shares, party: Party) -> Overloaded:
    """The error, which says which bound was reached: this caller's share, or the server's."""
    if shares.held(party) and shares.used < shares.total:
        return Overloaded(f"You have as many {what} in progress as this server allows one caller.", retry_after=1.0)
    return Overloaded(f"This server has reached its limit of {what}.", retry_after=1.0)
