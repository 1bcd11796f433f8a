"""Who is next: first come, first served for each party, and the parties in turn. Pure: no clock, no loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    def __init__(self) -> None:
        self._parties: dict[str, deque[T]] = {}  # in the order of their turns

    def __len__(self) -> int:
        return sum(map(len, self._parties.values()))

    def put(self, party: str, item: T) -> None:
        self._parties.setdefault(party, deque()).append(item)

    def drop(self, party: str, item: T) -> None:
        """Forgets an item that waits no more; one that is not there is no error."""
        line = self._parties.get(party, deque())
        if item in line:
            line.remove(item)
        if not line:
            self._parties.pop(party, None)

    def next(self, may: Callable[[T], bool] = lambda _: True) -> T | None:
        """Takes the first item of the party whose turn it is among those that `may` go; its next turn is the last."""
        for party, line in self._parties.items():
            if may(line[0]):
                item = line.popleft()
                del self._parties[party]
                if line:
                    self._parties[party] = line
                return item
        return None

    def ahead(self, party: str) -> int:
        """How many would be served before an item that this party puts now, if nobody else comes."""
        own = len(self._parties.get(party, ()))
        parties = list(self._parties)
        before = parties.index(party) if own else len(parties)
        lengths = [len(self._parties[name]) for name in parties if name != party]
        return own + sum(min(length, own + (place < before)) for place, length in enumerate(lengths))
