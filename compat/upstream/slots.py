"""A fair semaphore: parties take turns, and none holds more than its share of the slots."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from compat.config.principal import Party
from compat.upstream.shares import Shares

T = TypeVar("T")
LOOK: Final = 0.01  # seconds


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

    def first(self) -> list[T]:
        """Return the item of each party that is served next."""
        return [items[0] for items in self._parties.values()]

    def ahead(self, party: str) -> int:
        """Return the number of items served before one that this party would put now."""
        own = len(self._parties.get(party, ()))
        parties = list(self._parties)
        before = parties.index(party) if own else len(parties)
        lengths = [len(self._parties[name]) for name in parties if name != party]
        return own + sum(min(length, own + (place < before)) for place, length in enumerate(lengths))


class _Turn(NamedTuple):
    party: Party
    ready: asyncio.Future[None]
    since: float


def turns(
    count: int, shares: Callable[[int], Shares] = Shares
) -> Callable[[Party], contextlib.AbstractAsyncContextManager[None]]:
    """Return a semaphore for parties. One party may take `count` turns at a time, and all others together another
    `count`, so that a single party can use all of its `count` turns."""
    slots = Slots(shares(2 * count))
    return lambda party: slots.taken(msgspec.structs.replace(party, concurrency=None, alone=False))


class Slots:
    """Slots that parties take from `shares`. If other processes take them too, waiting calls check every LOOK seconds
    whether one is free."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._queue: FairQueue[_Turn] = FairQueue()
        self._announced: set[str] = set()
        self._look_timer: asyncio.TimerHandle | None = None

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

    def take(self, party: Party) -> bool:
        """Take a slot if one is free and no call waits for one, and return whether it was taken."""
        return not len(self._queue) and self._shares.take(party, most=party.concurrency, since=time.monotonic())

    def give(self, party: Party) -> None:
        """Give a slot back, for a waiting call."""
        self._shares.give(party)
        self._serve()

    @contextlib.asynccontextmanager
    async def taken(self, party: Party) -> AsyncIterator[None]:
        """Hold a slot while the context is open. The wait for it has no timeout."""
        if self.take(party):
            try:
                yield
            finally:
                self.give(party)
            return
        turn = _Turn(party, asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.put(party.name, turn)
        self._serve()
        try:
            await turn.ready
        except asyncio.CancelledError:
            self._queue.drop(party.name, turn)
            if turn.ready.done() and not turn.ready.cancelled():
                self._shares.give(party)
            self._serve()
            raise
        try:
            yield
        finally:
            self.give(party)

    def _serve(self) -> None:
        while (turn := self._queue.next(self._take_for)) is not None:
            if not turn.ready.done():
                turn.ready.set_result(None)
        if self._shares.between_processes and (self._announced or len(self._queue)):
            self._announce_waiting()

    def _take_for(self, turn: _Turn) -> bool:
        """Take a slot for the turn, unless it was cancelled, and return whether its wait is over."""
        party = turn.party
        return turn.ready.done() or self._shares.take(party, most=party.concurrency, since=turn.since)

    def _announce_waiting(self) -> None:
        """Announce the waiting parties to other processes, and check again soon."""
        waiting = {turn.party.name: turn.since for turn in self._queue.first()}
        for party in self._announced - waiting.keys():
            self._shares.wait(party, 0.0)
        for party, since in waiting.items():
            self._shares.wait(party, since)
        self._announced = set(waiting)
        if waiting and self._look_timer is None:
            self._look_timer = asyncio.get_running_loop().call_later(LOOK, self._look_again)

    def _look_again(self) -> None:
        self._look_timer = None
        self._serve()
