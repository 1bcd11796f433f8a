"""The protocol of ledgers: what clients have spent, kept beside the jobs in the store.

Every method raises ServiceUnavailable if the store cannot be reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from compat.spending.records import Spent


class Ledger(Protocol):
    async def take(self, client: str, day: int, *, least: int, most: int, bound: int) -> int:
        """Charge a client up to `most` milliseconds of audio, and return how many. Charge none if fewer than `least`
        are left of its `bound` for the day. Processes that share the store never exceed the bound together."""

    async def charge(self, client: str, day: int, ms: int) -> None:
        """Charge a client these milliseconds whatever its bound, or give them back if `ms` is negative."""

    async def add(self, entries: Iterable[Spent]) -> None:
        """Add the entries to those of the same day, client and model. Forget the days before the last KEPT."""

    async def spent(self, first: int, end: int) -> list[Spent]:
        """Return the entries of the days from `first` up to, not including, `end`."""
