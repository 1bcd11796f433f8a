"""The allowance of a live session: audio of its key's bound, charged while the session runs.

A session of a key with a bound of a day charges STEP seconds ahead of its sound, or what is left, and gives the rest
back when it ends.
"""

from __future__ import annotations

import asyncio
from typing import Final

import stamina

from compat.config.principal import Principal
from compat.errors import BadRequest, CompatError, ServiceUnavailable
from compat.spending.accounting import Accounting, milliseconds
from compat.spending.records import Charge

STEP: Final = 30.0  # seconds


class Allowance:
    """`granted`: the seconds of sound that the session may send so far. `used`: those that it has sent. `reason`: the
    error for a session that sends more."""

    def __init__(self, accounting: Accounting, principal: Principal) -> None:
        entry = principal.entry
        assert entry is not None  # noqa: S101 - see Principal.bounded
        self._entry = entry
        self._account = principal.account
        self._accounting = accounting
        self._charges: list[Charge] = []
        self._lock = asyncio.Lock()
        self._longest = entry.longest or float("inf")
        self.granted = 0.0 if entry.daily else self._longest
        self.exhausted = not entry.daily
        self.used = 0.0
        self.reason: CompatError = BadRequest(
            f"This key may send {entry.longest} s of audio in a session: open a new one.", code="session_expired"
        )

    async def open(self) -> None:
        """Charge the first step. Raises QuotaExceeded if nothing is left, or ServiceUnavailable."""
        await self._extend(STEP)
        if not self.granted:
            raise self.reason

    async def extend(self, until: float) -> None:
        """Grant sound up to `until` seconds. If that fails, `exhausted` is true afterwards.

        Retry for a few seconds while the store cannot be reached.
        """
        async with self._lock:
            if self.exhausted or until <= self.granted:
                return
            try:
                async for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=5, timeout=None):
                    with attempt:
                        await self._extend(max(until, self.granted + STEP))
            except ServiceUnavailable as exc:
                self.exhausted, self.reason = True, exc

    async def _extend(self, until: float) -> None:
        daily, most = self._entry.daily or 0, milliseconds(min(until, self._longest) - self.granted)
        charge = await self._accounting.take(self._account, daily, least=1, most=most) if most > 0 else None
        if charge is not None:
            self._charges.append(charge)
            self.granted += charge.ms / 1000
        if charge is None or charge.ms < most:
            self.exhausted = True
        if self.exhausted and self.granted < self._longest:
            self.reason = self._accounting.spent_up(self._entry)

    async def close(self) -> None:
        """Give back what was not used."""
        used = self.used
        for charge in self._charges:
            part = min(used, charge.ms / 1000)
            used -= part
            await self._accounting.finish(self._accounting.settle(charge, part))
