"""Fair shares of a bounded resource. This module is pure: it uses neither a clock nor the event loop.

A party may hold as much as is still free, so there is always room for another party. One party that takes all it can
holds a half, two hold a third each, and so on. Parties with unverified names together hold at most three quarters.
"""

from __future__ import annotations

from collections import Counter

from compat.config.principal import ANYONE, Party
from compat.errors import Overloaded


class Shares:
    """Shares of this process. `SharedShares` has those of several workers."""

    between_processes = False
    """Whether other processes take and give shares too."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._used = 0
        self._held: Counter[str] = Counter()
        self._strangers = 0

    @property
    def used(self) -> int:
        return self._used

    def held(self, party: Party) -> int:
        return self._held[party.name]

    def room(self, party: Party) -> int:
        """Return how much more this party may take now."""
        return room(self.total, self._used, self._held[party.name], self._strangers, party)

    def max_share(self, party: Party) -> int:
        """Return how much the party could hold if no other party held anything."""
        return self.total if party.alone else (self.total + 1) // 2

    def take(self, party: Party, amount: int = 1, *, most: int | None = None, since: float = 0.0) -> bool:  # noqa: ARG002 - for SharedShares
        """Take this much if there is room, and return whether there was.

        With `most`, the party may hold no more than that. `since` is the time from which the taker has waited: if other
        processes take shares too, the one that has waited longest is first.
        """
        if amount > self.room(party) or (most is not None and self._held[party.name] + amount > most):
            return False
        self.give(party, -amount)
        return True

    def wait(self, party: str, since: float) -> None:
        """Tell other processes that this one waits for a share for `party` since `since`; 0 ends the wait."""

    def give(self, party: Party, amount: int = 1) -> None:
        """Give back `amount`."""
        self._used -= amount
        self._strangers -= 0 if party.known else amount
        self._held[party.name] -= amount
        if not self._held[party.name]:
            del self._held[party.name]


def room(total: int, used: int, held: int, strangers: int, party: Party) -> int:
    """Return how much more `party` may take, of what it and others hold."""
    free = total - used
    share = free if party.alone else (free - held + 1) // 2
    if not party.known:
        share = min(share, total - total // 4 - strangers)
    return max(0, share)


class Holding:
    """The part of `shares` that one holder has taken, in multiples of `step`. The first step is free, so a small holder
    always has room."""

    def __init__(self, shares: Shares, step: int, party: Party = ANYONE) -> None:
        self.party = party
        self.taken = 0
        self._shares = shares
        self._step = step

    @property
    def scarce(self) -> bool:
        """Whether less than half of the party's maximum is free for it."""
        return self._shares.room(self.party) < self._shares.max_share(self.party) // 2

    def fits(self, size: int) -> bool:
        """Take or give back shares to match `size`, and return whether there was room."""
        wanted = max(0, -(-size // self._step) - 1) * self._step
        if wanted > self.taken and not self._shares.take(self.party, wanted - self.taken):
            return False
        if wanted < self.taken:
            self._shares.give(self.party, self.taken - wanted)
        self.taken = wanted
        return True


def overloaded(what: str, shares: Shares, party: Party) -> Overloaded:
    """Return an error that says whether the caller's share or the server's limit was reached."""
    if shares.held(party) and shares.used < shares.total:
        return Overloaded(f"You have as many {what} in progress as this server allows one caller.", retry_after=1.0)
    return Overloaded(f"This server has reached its limit of {what}.", retry_after=1.0)
