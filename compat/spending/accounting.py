"""Accounting: counts what clients spend, and keeps those with a bound of audio a day within it.

What is spent is added up in this process and written to the ledger every FLUSH seconds and at the end, so counting
costs no call to the store. A bound is kept in the ledger itself: audio is charged before it is submitted, and what was
not used is given back. A process that is killed therefore leaves its charges, and no more than its last FLUSH seconds
of usage are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar

from compat.config.keys import KeyEntry
from compat.config.meter import AudioMeter
from compat.config.principal import Principal
from compat.errors import BadRequest, CompatError, QuotaExceeded
from compat.spending.ledger import Ledger
from compat.spending.records import DAY, Charge, Spent

T = TypeVar("T")
log = logging.getLogger("compat")
FLUSH: Final = 5.0  # seconds


class Accounting:
    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns seconds since the epoch."""
        self._ledger = ledger
        self._clock = clock
        self._pending: dict[tuple[int, str, str], Spent] = {}
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- usage ------------------------------------------------------------------------------------------------------

    def count(self, client: str, model: str, seconds: float, dollars: float | None, requests: int = 1) -> None:
        """Count audio that the service bills for `requests`, and its price if it is known."""
        name = int(self._clock() // DAY), client, model
        unpriced = seconds if dollars is None else 0.0
        entry = Spent(*name, requests, seconds, dollars or 0.0, unpriced)
        self._pending[name] = self._pending[name].plus(entry) if name in self._pending else entry

    async def keep(self) -> None:
        """Write what is pending every FLUSH seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH)
            try:
                await self.flush()
            except CompatError as exc:
                log.warning("usage cannot be written; it is kept in memory", extra={"fields": {"reason": exc.message}})

    async def flush(self) -> None:
        """Write what is pending. If that fails, it stays pending."""
        async with self._lock:
            if not self._pending:
                return
            writing, self._pending = self._pending, {}
            try:
                await self.finish(self._ledger.add(writing.values()))
            except CompatError:
                for name, entry in writing.items():
                    self._pending[name] = entry.plus(self._pending[name]) if name in self._pending else entry
                raise

    async def close(self) -> None:
        """Write what is pending, and end what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.flush()
        except CompatError as exc:
            log.warning("the last usage could not be written", extra={"fields": {"reason": exc.message}})

    async def spent(self, first: int, end: int) -> list[Spent]:
        """Return what was spent on the days from `first` up to, not including, `end`. Other processes' last FLUSH
        seconds are missing. Raises ServiceUnavailable."""
        await self.flush()
        return await self._ledger.spent(first, end)

    # --- bounds -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def charged(self, principal: Principal, seconds: float) -> AsyncIterator[Principal]:
        """Charge audio while work is done for a client, and yield the client with the meter of that work. What the work
        has not used by the end is given back. `seconds` is 0 if the length is unknown.

        Raises BadRequest, QuotaExceeded or ServiceUnavailable.
        """
        charge = await self.reserve(principal, seconds)
        if charge is None:
            yield principal
            return
        meter = AudioMeter()
        try:
            yield principal.metered(meter)
        finally:
            await self.finish(self.settle(charge, meter.used))

    async def reserve(self, principal: Principal, seconds: float) -> Charge | None:
        """Charge audio before it is submitted. Return None if the client has no bound of audio a day.

        Audio of unknown length, 0 seconds, is charged as the longest that the client may send: with all that is left of
        the day, or with its bound of a request. Raises as `charged` does.
        """
        entry = principal.entry
        check(entry, seconds)
        if entry is None or entry.daily is None:
            return None
        most = milliseconds(seconds or min(entry.daily, entry.longest or entry.daily))
        least = most if seconds else 1
        charge = await self.take(principal.account, entry.daily, least=least, most=most)
        if charge is None:
            raise self.spent_up(entry)
        return Charge(charge.client, charge.day, charge.ms, exact=seconds > 0)

    async def take(self, client: str, daily: int, *, least: int, most: int) -> Charge | None:
        """Charge from `least` to `most` milliseconds of today, if as many are left. If the call is cancelled, nothing
        stays charged."""
        day = int(self._clock() // DAY)
        wanted = True

        async def taken() -> int:
            ms = await self._ledger.take(client, day, least=least, most=most, bound=milliseconds(daily))
            if ms and not wanted:
                await self._ledger.charge(client, day, -ms)
            return ms

        try:
            ms = await self.finish(taken())
        except asyncio.CancelledError:
            wanted = False
            raise
        return Charge(client, day, ms) if ms else None

    async def settle(self, charge: Charge, used: float) -> None:
        """Give back what was not used. Audio whose length was unknown is charged in full. Raises no CompatError."""
        if used == float("inf"):
            return
        ms = milliseconds(used)
        over = min(ms, charge.ms) - charge.ms if charge.exact else ms - charge.ms
        if not over:
            return
        try:
            await self._ledger.charge(charge.client, charge.day, over)
        except CompatError as exc:
            log.warning("a charge could not be settled", extra={"fields": {"reason": exc.message}})

    def spent_up(self, entry: KeyEntry) -> QuotaExceeded:
        """Return the error for a client that has used its bound of today."""
        wait = DAY - self._clock() % DAY
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self._clock() + wait))
        return QuotaExceeded(
            f"This key may send {entry.daily} s of audio a day (UTC), and too little of it is left. It is reset at "
            f"{at}.",
            retry_after=wait,
        )

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, which goes on if this call is cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller may have gone


def check(entry: KeyEntry | None, seconds: float) -> None:
    """Raise BadRequest if this audio is longer than the key may ever send."""
    if entry is None:
        return
    for bound, of in ((entry.longest, "request"), (entry.daily, "day")):
        if bound is not None and seconds > bound:
            raise BadRequest(
                f"The audio counts as {seconds:.0f} s, and this key may send {bound} s a {of}.", param="file"
            )


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
