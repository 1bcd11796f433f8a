"""A fair semaphore: a bounded number at a time, the parties in turn, and none with more than its share."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec

from compat.upstream.shares import ON_BEHALF, Party, Shares

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First come, first served for each party, and the parties in turn."""

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


_Turn = tuple[Party, "asyncio.Future[None]"]


def turns(count: int) -> Callable[[], contextlib.AbstractAsyncContextManager[None]]:
    """Turns for the party on whose behalf they are taken: `count` at a time for one party, and as many again for all
    others together, so that a single party never waits for absent ones."""
    slots = Slots(2 * count)
    return lambda: slots.taken(msgspec.structs.replace(ON_BEHALF.get(), concurrency=None, alone=False))


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
        """How many are served before this party would be, or are being served."""
        return self._queue.ahead(party.name) + self.busy

    @contextlib.asynccontextmanager
    async def taken(self, party: Party) -> AsyncIterator[None]:
        """A slot for as long as the context is open. The wait has no end of its own."""
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
            party, told = turn
            if not told.done():
                self._shares.take(party)
                told.set_result(None)

    def _may(self, turn: _Turn) -> bool:
        party = turn[0]
        capped = party.concurrency is not None and self._shares.held(party) >= party.concurrency
        return not capped and self._shares.room(party) > 0
