"""A fair semaphore: parties take turns, and none holds more than its share of the slots."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec

from compat.config.principal import Party
from compat.upstream.shares import Shares

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A round-robin queue: parties take turns, and the items of each party keep their order."""

    def __init__(self) -> None:
        self._parties: dict[str, deque[T]] = {}  # the party whose turn is next comes first

    def __len__(self) -> int:
        return sum(map(len, self._parties.values()))

    def put(self, party: str, item: T) -> None:
        self._parties.setdefault(party, deque()).append(item)

    def drop(self, party: str, item: T) -> None:
        """Remove an item if it is in the queue."""
        items = self._parties.get(party, deque())
        if item in items:
            items.remove(item)
        if not items:
            self._parties.pop(party, None)

    def next(self, may: Callable[[T], bool] = lambda _: True) -> T | None:
        """Remove and return the next item for which `may` is true, or None. Its party moves to the end of the order."""
        for party, items in self._parties.items():
            if may(items[0]):
                item = items.popleft()
                del self._parties[party]
                if items:
                    self._parties[party] = items
                return item
        return None

    def ahead(self, party: str) -> int:
        """Return the number of items served before one that this party would put now."""
        own = len(self._parties.get(party, ()))
        parties = list(self._parties)
        before = parties.index(party) if own else len(parties)
        lengths = [len(self._parties[name]) for name in parties if name != party]
        return own + sum(min(length, own + (place < before)) for place, length in enumerate(lengths))


_Turn = tuple[Party, "asyncio.Future[None]"]


def turns(count: int) -> Callable[[Party], contextlib.AbstractAsyncContextManager[None]]:
    """Return a semaphore for parties. One party may take `count` turns at a time, and all others together another
    `count`, so that a single party can use all of its `count` turns."""
    slots = Slots(2 * count)
    return lambda party: slots.taken(msgspec.structs.replace(party, concurrency=None, alone=False))


class Slots:
    def __init__(self, total: int) -> None:
        self._shares = Shares(total)
        self._queue: FairQueue[_Turn] = FairQueue()

    @property
    def busy(self) -> int:
        return self._shares.used

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def ahead(self, party: Party) -> int:
        """Return the number of turns before this party's next one, including the slots in use."""
        return self._queue.ahead(party.name) + self.busy

    def capped(self, party: Party) -> bool:
        """Return whether the party holds as many slots as its own bound allows."""
        return party.concurrency is not None and self._shares.held(party) >= party.concurrency

    @contextlib.asynccontextmanager
    async def taken(self, party: Party) -> AsyncIterator[None]:
        """Hold a slot while the context is open. The wait for it has no timeout."""
        turn: _Turn = (party, asyncio.get_running_loop().create_future())
        self._queue.put(party.name, turn)
        self._serve()
        try:
            await turn[1]
        except asyncio.CancelledError:
            self._queue.drop(party.name, turn)
            if turn[1].done() and not turn[1].cancelled():
                self._free(party)
            raise
        try:
            yield
        finally:
            self._free(party)

    def _free(self, party: Party) -> None:
        self._shares.give(party)
        self._serve()

    def _serve(self) -> None:
        while (turn := self._queue.next(self._may)) is not None:
            party, ready = turn
            if not ready.done():
                self._shares.take(party)
                ready.set_result(None)

    def _may(self, turn: _Turn) -> bool:
        return not self.capped(turn[0]) and self._shares.room(turn[0]) > 0
