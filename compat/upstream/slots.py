"""So many at a time, taken in a fair order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextvars import ContextVar

import msgspec

from compat.upstream.fair import FairQueue


class Party(msgspec.Struct, frozen=True):
    """For whom calls are made. `concurrency`: how many of his may be under way, where the operator has said so."""

    name: str = "anyone"
    concurrency: int | None = None


ON_BEHALF: ContextVar[Party] = ContextVar("on_behalf", default=Party())  # noqa: B039 - frozen
"""Follows a request into every task that it starts, as a trace would."""

_Turn = tuple[Party, "asyncio.Future[None]"]


class Slots:
    def __init__(self, total: int) -> None:
        self._total = total
        self._busy: Counter[str] = Counter()
        self._queue: FairQueue[_Turn] = FairQueue()

    @property
    def busy(self) -> int:
        return self._busy.total()

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
                self._free(party.name)
            raise
        try:
            yield
        finally:
            self._free(party.name)

    def _free(self, name: str) -> None:
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]
        self._serve()

    def _serve(self) -> None:
        while self.busy < self._total and (turn := self._queue.next(self._may)) is not None:
            party, told = turn
            if not told.done():
                self._busy[party.name] += 1
                told.set_result(None)

    def _may(self, turn: _Turn) -> bool:
        cap = turn[0].concurrency
        return cap is None or self._busy[turn[0].name] < cap
